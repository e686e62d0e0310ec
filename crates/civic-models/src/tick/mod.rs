//! Tick and watermark: replicas that run the ticks of one job.
//!
//! Each replica minds the oldest tick that it does not know to be done, claims it when it is due
//! by its own clock, runs it, and records it. Time runs in units of one command timeout. A replica
//! that runs is prompt: what its timers tell it to do happens within the unit, in any order among
//! the replicas. Slowness is a fault: a pause, or a command that is stuck. Faults come until the
//! scope's last fault; at the horizon every tick must be accounted for.

mod actions;
mod answers;
mod around;
mod duties;
mod duty;
mod model;
mod properties;
mod scope;
mod seen;
mod state;
mod transitions;

pub use self::actions::Action;
pub use self::duty::Duty;
pub use self::model::TickModel;
pub use self::properties::{
    ACCOUNTED, AGAIN, AHEAD, ALL_RUN, ANOTHERS, ATTEMPT, BLOCKED, BOUND, FENCE, HANDED, MISSED,
    ONCE, ORDER, OVERLAP, TWICE,
};
pub use self::scope::{RENEW, SUSPECT, Scope, TIMEOUT};
pub use self::seen::{Seen, TickSeen};
pub use self::state::{Chore, Phase, Replica, Run, State};
