//! The simulated servers: how they behave, and one of them at work.

mod behaviour;
mod meter;
mod node;

pub use self::behaviour::{Handler, Latency, Node, Phase, Status};
pub use self::meter::Meter;
pub use self::node::{Answer, Server};
