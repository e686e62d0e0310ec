//! What happened in a part: the only thing that its check reads.

mod facts;
pub(super) mod fence;
pub(super) mod injected;
pub(super) mod migration;
pub(super) mod pause;
pub(super) mod posts;

pub(super) use self::facts::Facts;
