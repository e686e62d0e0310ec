//! Whether the facts of a part keep the promises. Pure: facts in, verdicts out.

mod fence;
mod migration;
mod pause;
mod posts;

pub(super) use self::fence::fence;
pub(super) use self::migration::migration;
pub(super) use self::pause::pause;
pub(super) use self::posts::posts;
