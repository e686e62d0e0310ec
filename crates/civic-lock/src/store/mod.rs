//! The seam between a lease and where its keys live.
//!
//! One [command](command) is one atomic transition of one lock. It takes less than the command
//! timeout, and never panics. Times are milliseconds since the epoch by the store's own clock,
//! which is the only wall clock that decides anything. [`RedisStore`](redis::RedisStore) runs each
//! as one script, [`HostStore`](host::HostStore) as one transition under one file lock. Both pass
//! the same conformance suite.
//!
//! A command that fails with [`Error::is_ambiguous`](crate::Error::is_ambiguous) may have been
//! carried out. Repeating `Renew`, `Release`, `Complete`, `Abandon`, `Unclaim`, `Miss`,
//! `OnceComplete`, `OnceForget` and `OnceUnbegin` is harmless. What became of an `Acquire`, a
//! `Claim` or a `OnceBegin` must be undone: [`Leases`](crate::lease::acquire::Leases) does it.

pub(crate) mod answer;
pub(crate) mod command;
pub(crate) mod hints;
pub(crate) mod history;
pub(crate) mod holder;
pub(crate) mod host;
pub(crate) mod limits;
pub(crate) mod listing;
pub(crate) mod once;
pub(crate) mod operator;
pub(crate) mod payload;
pub(crate) mod peer;
pub(crate) mod redis;
pub(crate) mod settings;
pub(crate) mod sighting;
pub(crate) mod store;

#[cfg(test)]
mod conformance;
