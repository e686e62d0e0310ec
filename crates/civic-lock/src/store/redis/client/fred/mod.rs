//! fred. The only folder that names it.
//!
//! Its own defaults keep none of the promises that a [`Link`](super::link::Link) has to keep: it
//! re-sends a command up to three times, has no timeout, believes a broken connection to be
//! connected, and speaks `rediss://` in clear text when it was built without TLS. So every command
//! goes through `custom`, with options: its script functions drop timeouts and attempt limits
//! silently.

mod config;
mod error;
mod library;
mod link;
mod listener;

pub(in crate::store::redis) use self::library::Fred;
