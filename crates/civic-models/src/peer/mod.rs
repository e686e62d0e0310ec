//! Node's ticks: a Node service runs the same job as our replicas, under the same key.
//!
//! The Node service takes the key with `SET NX EX` when a tick is due by its own clock, and deletes
//! it when its work is done. It knows no watermark. Its value is `<pid>:<time>`, by its own clock.
//! Our replicas count a tick during which they see such a value as run. Nothing is lost on the way
//! here; the other models have that.

mod actions;
mod model;
mod properties;
mod scope;
mod state;

pub use self::actions::Action;
pub use self::model::PeerModel;
pub use self::properties::{BOTH, LOST, SHARED};
pub use self::scope::Scope;
pub use self::state::{NODE, Node, OPERATOR, Replica, Running, State};
