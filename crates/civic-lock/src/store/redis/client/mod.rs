//! The client library: what the store asks of it, and who answers.
//!
//! The store knows three traits. A [`Client`](client::Client) is a library that is set up for one
//! URL. A [`Link`](link::Link) is what it sends commands through: it connects, and connects again
//! when a connection breaks. A [`Listener`](listener::Listener) hears what is published on
//! channels. What each of them has to promise is said where it is defined; what the store adds to
//! it is in [`Connector`](super::connection::Connector).
//!
//! [fred](self::fred) answers, and it is named in its folder only. With `--cfg civic_redis_rs`
//! redis-rs answers instead, so that the tests of this crate show whether it could: see
//! `docs/decisions/0007-a-way-out-of-fred.md`. Nothing is ever released with it.

pub(super) mod client;
pub(super) mod connect_failure;
#[cfg(not(civic_redis_rs))]
mod fred;
pub(super) mod link;
pub(super) mod listener;
#[cfg(civic_redis_rs)]
mod redis_rs;
pub(super) mod route;
pub(super) mod value;

#[cfg(not(civic_redis_rs))]
pub(super) use self::fred::Fred as Library;
#[cfg(civic_redis_rs)]
pub(super) use self::redis_rs::RedisRs as Library;
