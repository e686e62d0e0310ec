//! The client library: what the store asks of it, and who answers.
//!
//! The store knows three traits. A [`Client`](client::Client) is a library that is set up for one
//! URL. A [`Link`](link::Link) is what it sends commands through: it connects, and connects again
//! when a connection breaks. A [`Listener`](listener::Listener) hears what is published on
//! channels. What each of them has to promise is said where it is defined; what the store adds to
//! it is in [`Connector`](super::connection::Connector).
//!
//! [fred](self::fred) answers, and it is named in its folder only.

pub(super) mod client;
pub(super) mod connect_failure;
mod fred;
pub(super) mod link;
pub(super) mod listener;
pub(super) mod route;
pub(super) mod value;

pub(super) use self::fred::Fred as Library;
