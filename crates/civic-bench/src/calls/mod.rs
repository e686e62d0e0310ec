//! Calls over real sockets: ours, hyper-util, reqwest, and what people assemble around reqwest.
//!
//! The peer runs on a thread of its own, and the clients on the thread that measures, so that the
//! processor time of a client is the time of its thread.

mod client;
mod drive;
mod held;
mod peer;

pub use self::client::{Client, KINDS, Kind};
pub use self::drive::{Sample, compare, profile};
pub use self::held::{CALLS, hold, memory};
pub use self::peer::Peer;
