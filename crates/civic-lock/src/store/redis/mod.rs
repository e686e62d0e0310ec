//! Locks in Redis or Valkey.
//!
//! What is promised of the connection:
//!
//! 1. Each command ends within the command timeout, connecting included, whatever the server and
//!    the network do.
//! 2. A command is sent at most once. A command that was not sent when its time was over is never
//!    sent; one that was sent and arrives late does nothing (`not_after`).
//! 3. A reply that does not begin with the caller's own value is not believed, and ends the
//!    connection.
//! 4. A connection that says nothing while a command times out is replaced.
//! 5. A URL that asks for TLS is refused before anything is sent if TLS is not built in.
//! 6. An error that says why there is no connection repeats the server's own words, if it has said
//!    any.
//!
//! In a Cluster whose slots move, a command that is answered with MOVED goes to the new owner. One
//! that is answered with ASK is refused for as long as the slot is moving.
//!
//! The [client library](self::client) sends a command and returns its answer, and that is all that
//! is asked of it; the rest is done here, in [`Connector`](connection::Connector), for any library.

mod client;
mod connection;
mod durability;
mod error;
mod inspection;
mod invocation;
mod once;
mod operations;
mod operator;
mod reply;
mod script;
mod store;
mod subscriber;
mod ticks;
mod url;

pub(crate) use self::operations::Scripted;
pub(crate) use self::store::RedisStore;
