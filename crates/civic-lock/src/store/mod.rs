//! The seam between a lease and where its keys live.
//!
//! One operation is one atomic transition of one lock, in less than the command timeout; it never
//! panics. Times are milliseconds since the epoch by the store's own clock, which is the only
//! wall clock that decides anything. [`Redis`](redis::RedisStore) runs each as one script,
//! [`Host`](host::HostStore) under one file lock; both pass the same conformance suite.
//!
//! An operation that fails with [`Error::is_ambiguous`] may have been carried out. Repeating
//! `renew`, `release`, `complete`, `abandon`, `unclaim` and `miss` is harmless. What became of an
//! `acquire` or a `claim` must be undone: the [`Keeper`](crate::lease::Keeper) does it.

pub(crate) mod answer;
pub(crate) mod hints;
pub(crate) mod holder;
pub(crate) mod host;
pub(crate) mod redis;
pub(crate) mod request;
pub(crate) mod settings;
pub(crate) mod store;

#[cfg(test)]
mod conformance;
