//! What each command makes of a state.
//!
//! [`step`] is a pure function: it reads no clock and no file. It is the host's counterpart of the
//! scripts in `redis/scripts/`: one [`Transition`] per script, with the same decisions one below
//! the other. What the scripts call the server's clock is the [`Moment`] here. Those of ticks are
//! in [`claim`](super::claim) and [`ticks`](super::ticks), those of executions in
//! [`once`](super::once), those of an operator in [`operator`](super::operator).

use crate::store::answer::{Acquired, Admission, Ownership};
use crate::store::command::{Abandon, Acquire, AdmitFence, Command, Release, Renew};
use crate::store::host::moment::Moment;
use crate::store::host::process::Process;
use crate::store::host::state::State;
use crate::store::limits::WATERMARK_RETENTION;

/// A command as a transition of a state.
pub(crate) trait Transition: Command {
    fn apply(self, state: &mut State, now: Moment, process: &Process) -> Self::Answer;
}

/// Returns the state after a command, and the answer to the command.
pub(crate) fn step<C: Transition>(
    state: &State,
    now: Moment,
    process: &Process,
    command: C,
) -> (State, C::Answer) {
    let mut next = state.clone();
    let answer = command.apply(&mut next, now, process);
    (next, answer)
}

// ===== impl Abandon =====

impl Transition for Abandon {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Ownership {
        if !state.held_by(&self.holder) {
            return Ownership::NotOurs;
        }
        state.release(None, now);
        Ownership::Ours
    }
}

// ===== impl Acquire =====

impl Transition for Acquire {
    fn apply(self, state: &mut State, now: Moment, process: &Process) -> Acquired<u64> {
        if state.held_by(&self.holder) {
            state.extend(self.ttl.as_millis(), now);
            return Acquired::Granted(state.fence);
        }
        if let Some(held) = &state.holder
            && !self.orphans.iter().any(|orphan| orphan.as_str() == held)
        {
            return Acquired::Busy {
                holder: held.clone(),
                ttl: state.ttl(now),
            };
        }
        Acquired::Granted(state.grant(&self.holder, self.ttl, now, process))
    }
}

// ===== impl AdmitFence =====

impl Transition for AdmitFence {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Admission {
        let ahead = self.ahead.as_nanos().div_ceil(1_000_000) as u64 * 1000;
        if self.fence > now.wall_us.saturating_add(ahead) {
            return Admission::AheadOfClock;
        }
        if self.fence < state.admitted {
            return Admission::Stale {
                largest: state.admitted,
            };
        }
        if self.fence > state.admitted {
            state.admitted = self.fence;
            state.retain(WATERMARK_RETENTION, now);
        }
        Admission::Admitted
    }
}

// ===== impl Release =====

impl Transition for Release {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Ownership {
        if !state.held_by(&self.holder) {
            return Ownership::NotOurs;
        }
        state.release(self.hold, now);
        Ownership::Ours
    }
}

// ===== impl Renew =====

impl Transition for Renew {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Ownership {
        if !state.held_by(&self.holder) {
            return Ownership::NotOurs;
        }
        state.extend(self.ttl.as_millis(), now);
        Ownership::Ours
    }
}
