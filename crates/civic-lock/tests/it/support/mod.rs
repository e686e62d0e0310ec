//! What the tests share.
//!
//! Replicas are child processes: this very test binary, started again. See [`holder`] and
//! [`replica`].

pub(crate) mod election;
pub(crate) mod event_log;
pub(crate) mod holder;
pub(crate) mod local;
pub(crate) mod lock;
pub(crate) mod once;
pub(crate) mod replica;
pub(crate) mod store;
