//! HTTP/2: many exchanges at once on one connection.
//!
//! | what | file |
//! |---|---|
//! | whether it is spoken, and its times | `config.rs` |
//! | the bytes on a socket: which frames were written, when something was last read | `wire.rs`, `frames.rs` |
//! | how a connection begins | `opening.rs` |
//! | a connection, and the task that drives it: idle time, signs of life | `session.rs`, `drive.rs` |
//! | the connections to one peer, and who waits for them | `sessions.rs`, `place.rs` |
//! | an exchange on a connection | `head.rs`, `exchange.rs`, `upload.rs`, `received.rs` |
//! | what a failure says about whether the request was sent | `stream_error.rs` |
//!
//! This is written over the crate `h2` and not over hyper's client, for three reasons. `h2` says
//! which stream a failure is about, so that "never sent" is proven and not guessed. hyper takes a
//! response that its peer has cancelled in the middle for one that has ended. And hyper keeps the
//! limit of streams to itself, so that a request waits on a full connection while another one has
//! room.

mod config;
mod drive;
mod exchange;
mod frames;
mod head;
mod opening;
mod place;
mod received;
mod session;
mod sessions;
mod stream_error;
mod upload;
mod wire;

pub use self::config::Http2;
pub(super) use self::opening::open;
pub(super) use self::received::Received;
pub(super) use self::session::Seat;
pub(super) use self::sessions::{Choice, Sessions};
