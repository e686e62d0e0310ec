//! Lease and fence: acquire, renew, release, and what a lost answer leaves behind.
//!
//! Callers of one or more processes take the same lock, hold it, write to a resource that compares
//! fences, and give it back. Time runs in units of one command timeout. Timers of a process that
//! runs are on time; apart from that a caller takes as long as it likes over its next step.

mod actions;
mod model;
mod properties;
mod ranks;
mod replies;
mod scope;
mod state;
mod transitions;

pub use self::actions::{Action, Step};
pub use self::model::LeaseModel;
pub use self::properties::{
    ANOTHERS, BLOCKED, EXCLUSION, EXPIRES, FENCE, HANDED_ON, SENT, STALE, TOLD,
};
pub use self::scope::{LOSE, RENEW, Scope, TIMEOUT, TTL};
pub use self::state::{Caller, Holding, Process, State, Write};
