//! What each command makes of a state.
//!
//! [`step`] is a pure function: it reads no clock and no file. It is the host's counterpart of the
//! scripts in `redis/scripts/`, in the same order: one [`Transition`] per script, with the same
//! decisions one below the other. What the scripts call the server's clock is the [`Moment`] here.

use crate::delivery::Delivery;
use crate::store::answer::{Acquired, Claimed, Missed, Ownership, Peeked};
use crate::store::command::{
    Abandon, Acquire, Claim, Command, Complete, Miss, Peek, Register, Release, Renew, Unclaim,
};
use crate::store::host::moment::Moment;
use crate::store::host::process::Process;
use crate::store::host::state::State;
use crate::store::limits::MISSES_REMEMBERED;

/// A command as a transition of a state.
pub(crate) trait Transition: Command {
    fn apply(self, state: &mut State, now: Moment, process: &Process) -> Self::Answer;
}

/// Returns the state after a command, and the answer to the command.
pub(super) fn step<C: Transition>(
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

// ===== impl Claim =====

impl Transition for Claim {
    fn apply(self, state: &mut State, now: Moment, process: &Process) -> Claimed<u64> {
        let request = self.request;
        let wall = now.wall_ms();
        let at_most_once = request.delivery == Delivery::AtMostOnce;
        let grace = request.grace.as_millis() as u64;
        let Some(mut done) = state.ticks.done else {
            return Claimed::Unregistered { now: wall };
        };
        let is_ours = |held: &str| {
            held == self.holder.as_str()
                || self.orphans.iter().any(|orphan| orphan.as_str() == held)
        };
        let held = state.holder.clone();
        // Ours already: the answer to an earlier call was lost, and its work has not begun.
        if let (Some(held), Some(claimed)) = (&held, state.ticks.claimed)
            && state.ticks.claimant.as_ref() == Some(held)
            && is_ours(held)
        {
            if let Some(previous) = state.ticks.previous_done
                && claimed == done
            {
                done = previous;
            }
            let attempt = state.ticks.attempt;
            if held == self.holder.as_str() {
                state.extend(self.ttl.as_millis(), now);
                return Claimed::Granted {
                    lease: state.fence,
                    tick: claimed,
                    attempt,
                    done,
                };
            }
            return self.grant(state, now, process, (claimed, attempt, done));
        }
        // On minimum hold the holder keeps out those who know no watermark; to us the lock is free.
        let busy =
            held.filter(|held| !is_ours(held) && state.ticks.completed_by.as_ref() != Some(held));
        if let Some(claimed) = state.ticks.claimed.filter(|&claimed| claimed > done) {
            if let Some(held) = busy {
                return running(state, now, held);
            }
            // Its holder died or gave it up.
            if at_most_once || wall.saturating_sub(claimed) > grace {
                return Claimed::TooLate {
                    tick: claimed,
                    done,
                };
            }
            let attempt = state.ticks.attempt + 1;
            return self.grant(state, now, process, (claimed, attempt, done));
        }
        if request.tick <= done {
            return Claimed::AlreadyDone { done };
        }
        if request.tick > wall + request.max_skew.as_millis() as u64 {
            return Claimed::ClockAhead { now: wall };
        }
        if wall.saturating_sub(request.tick) > grace {
            return Claimed::TooLate {
                tick: request.tick,
                done,
            };
        }
        if let Some(held) = busy {
            return running(state, now, held);
        }
        self.grant(state, now, process, (request.tick, 1, done))
    }
}

impl Claim {
    fn grant(
        &self,
        state: &mut State,
        now: Moment,
        process: &Process,
        (tick, attempt, done): (u64, u32, u64),
    ) -> Claimed<u64> {
        let fence = state.grant(&self.holder, self.ttl, now, process);
        state.retain(self.request.retain, now);
        state.ticks.claimed = Some(tick);
        state.ticks.claimant = Some(self.holder.as_str().to_owned());
        state.ticks.attempt = attempt;
        if self.request.delivery == Delivery::AtMostOnce && tick > done {
            state.ticks.previous_done = Some(done);
            state.ticks.done = Some(tick);
        }
        Claimed::Granted {
            lease: fence,
            tick,
            attempt,
            done,
        }
    }
}

fn running(state: &State, now: Moment, holder: String) -> Claimed<u64> {
    Claimed::Running {
        holder,
        ttl: state.ttl(now),
        tick: state.ticks.claimed,
    }
}

// ===== impl Complete =====

impl Transition for Complete {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Ownership {
        if state.ticks.completed_by.as_deref() == Some(self.holder.as_str()) {
            // The answer to the first call was lost.
            return Ownership::Ours;
        }
        if !state.held_by(&self.holder) {
            return Ownership::NotOurs;
        }
        state.ticks.done = state.ticks.done.max(Some(self.tick));
        state.ticks.completed_by = Some(self.holder.as_str().to_owned());
        state.ticks.forget_claim();
        state.release(self.hold, now);
        Ownership::Ours
    }
}

// ===== impl Miss =====

impl Transition for Miss {
    fn apply(self, state: &mut State, _: Moment, _: &Process) -> Missed {
        let ticks = &mut state.ticks;
        let by = self.by.as_str();
        if ticks.missed_by.iter().any(|(who, _)| who == by) {
            return Missed::Marked;
        }
        let done = ticks.done;
        // Certain if no move since `from` has been dropped from the list.
        let certain = ticks
            .missed_by
            .get(MISSES_REMEMBERED - 1)
            .is_none_or(|&(_, to)| to <= self.from);
        let changed = Missed::Changed { done, certain };
        if done != Some(self.from) || self.to <= self.from {
            return changed;
        }
        if ticks.claimed > done {
            // A replica runs it, or may still take it over.
            let busy = state.holder.is_some() && state.holder != ticks.completed_by;
            if ticks.claimed != Some(self.to) || busy {
                return changed;
            }
            ticks.forget_claim();
        }
        ticks.done = Some(self.to);
        ticks.missed_by.insert(0, (by.to_owned(), self.to));
        ticks.missed_by.truncate(MISSES_REMEMBERED);
        Missed::Marked
    }
}

// ===== impl Peek =====

impl Transition for Peek {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Peeked {
        Peeked {
            done: state.ticks.done,
            claimed: state.ticks.claimed,
            attempt: state.ticks.attempt,
            holder: state.holder.clone(),
            now: now.wall_ms(),
        }
    }
}

// ===== impl Register =====

impl Transition for Register {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> u64 {
        if let Some(done) = state.ticks.done {
            return done;
        }
        state.ticks.done = Some(self.done);
        state.retain(self.retain, now);
        self.done
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

// ===== impl Unclaim =====

impl Transition for Unclaim {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Ownership {
        let ticks = &mut state.ticks;
        // Even if the key has expired meanwhile: no one has claimed since.
        if ticks.claimant.as_deref() == Some(self.holder.as_str()) {
            if ticks.previous_done.is_some() && ticks.done == ticks.claimed {
                ticks.done = ticks.previous_done;
            }
            if ticks.attempt > 1 {
                // An earlier holder had begun: the tick stays claimed.
                ticks.attempt -= 1;
                ticks.claimant = None;
                ticks.previous_done = None;
            } else {
                ticks.forget_claim();
            }
        }
        if !state.held_by(&self.holder) {
            return Ownership::NotOurs;
        }
        state.release(None, now);
        Ownership::Ours
    }
}
