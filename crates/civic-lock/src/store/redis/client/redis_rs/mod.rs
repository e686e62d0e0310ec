//! redis-rs, in a trial: enough of it to run the tests of this crate.
//!
//! It is the lower half of the library that is used. Its `ConnectionManager` connects again only
//! when a command has failed, or with RESP3, which Redis 5 does not speak; its set-up of a
//! connection keeps the server's words to itself when a login fails. So the socket is opened and
//! the login is sent here, and the library's driver is polled here, which ends with its connection.

mod backoff;
mod connection;
mod error;
mod library;
mod link;
mod listener;
mod opening;
mod place;
#[cfg(feature = "tls")]
mod tls;

pub(in crate::store::redis) use self::library::RedisRs;
