//! A simulation of clients before servers that fail, on paused time.
//!
//! It rebuilds the scenarios that were published with dialogue and conjure, and runs each of them
//! with each [`Policy`](policy::Policy): civic-client's real layers, and what others do. `cargo
//! xtask simulate` prints the results and writes `docs/simulation.md`, which says how to read
//! them.
//!
//! - [`server`] is how a server behaves, [`network`] is what lies between it and the clients.
//! - [`scenario`] and [`catalogue`] are what happens, [`policy`] is who copes with it.
//! - [`published`] is what others got in the same scenarios.
//! - [`simulation`] runs one of each, [`measurement`] is what comes of it, [`report`] shows it.
//!
//! Everything random comes from one seed, and time is tokio's paused clock, which steps from one
//! timer to the next by whole milliseconds. So a run takes as long as its work takes, and the same
//! seed gives the same bytes.

pub mod catalogue;
pub mod measurement;
pub mod network;
pub mod policy;
pub mod published;
mod random;
mod reasons;
pub mod report;
pub mod scenario;
pub mod server;
pub mod simulation;

pub use self::random::Random;
pub use self::reasons::Reasons;
