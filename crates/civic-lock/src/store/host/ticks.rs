//! What the other commands about ticks make of a state, see [`step`](super::transitions::step).

use crate::store::answer::{Due, Looked, Missed, Ownership, Peeked};
use crate::store::command::{
    Complete, CompleteDue, HandOver, Miss, Peek, Record, Register, Sight, Unclaim,
};
use crate::store::host::moment::Moment;
use crate::store::host::process::Process;
use crate::store::host::state::State;
use crate::store::host::transitions::Transition;
use crate::store::limits::MISSES_REMEMBERED;
use crate::store::sighting::{Sighting, see};

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
        state.ticks.completed_by = Some(self.holder.as_str().to_owned());
        let generation = state.ticks.generation;
        if self.generation.is_none_or(|claimed| claimed == generation) {
            // Otherwise an operator has set the watermark meanwhile.
            state.ticks.done = state.ticks.done.max(Some(self.tick));
            state.ticks.forget_claim();
        }
        state.ticks.remember(self.run);
        state.release(self.hold, now);
        Ownership::Ours
    }
}

// ===== impl CompleteDue =====

impl Transition for CompleteDue {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Ownership {
        if state.ticks.completed_by.as_deref() == Some(self.holder.as_str()) {
            // The answer to the first call was lost.
            return Ownership::Ours;
        }
        if !state.held_by(&self.holder) {
            return Ownership::NotOurs;
        }
        state.ticks.completed_by = Some(self.holder.as_str().to_owned());
        if state.ticks.due_claimant == state.ticks.completed_by {
            state.ticks.forget_due();
        }
        state.ticks.remember(self.run);
        state.release(self.hold, now);
        Ownership::Ours
    }
}

// ===== impl HandOver =====

impl Transition for HandOver {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Ownership {
        let ticks = &mut state.ticks;
        let holder = Some(self.holder.as_str());
        // Even if the key has expired meanwhile: no one has claimed since.
        if ticks.claimant.as_deref() == holder {
            ticks.handed_over += 1;
            ticks.claimant = None;
        }
        if ticks.due_claimant.as_deref() == holder {
            ticks.due_handed_over += 1;
            ticks.due_claimant = None;
        }
        if !state.held_by(&self.holder) {
            return Ownership::NotOurs;
        }
        state.release(None, now);
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
        let changed = Missed::Changed {
            done: ticks.settled(state.holder.as_deref()),
            certain,
        };
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
        ticks.remember(self.run);
        Missed::Marked
    }
}

// ===== impl Peek =====

impl Transition for Peek {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Peeked {
        let ticks = &state.ticks;
        Peeked {
            done: ticks.settled(state.holder.as_deref()),
            claimed: ticks.claimed,
            attempt: ticks.attempt,
            claimant: ticks.claimant.clone(),
            holder: state.holder.clone(),
            ttl: state.holder.as_ref().and_then(|_| state.ttl(now)),
            fence: state.fence,
            generation: ticks.generation,
            paused: ticks.paused,
            due: ticks.due.map(|tick| Due {
                tick,
                attempt: ticks.due_attempt,
            }),
            peer: ticks.peer.clone(),
            schedules: ticks.schedules.clone(),
            now: now.wall_ms(),
        }
    }
}

// ===== impl Record =====

impl Transition for Record {
    fn apply(self, state: &mut State, _: Moment, _: &Process) {
        state.ticks.remember(Some(self.run));
    }
}

// ===== impl Register =====

impl Transition for Register {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> u64 {
        if let Some(done) = state.ticks.done {
            return done;
        }
        state.ticks.done = Some(self.done);
        state
            .ticks
            .schedules
            .extend(self.schedule.map(|fingerprint| Sighting {
                fingerprint,
                first: self.first.max(self.done),
                last: now.wall_ms(),
            }));
        state.retain_watermark(self.retain, now);
        self.done
    }
}

// ===== impl Sight =====

impl Transition for Sight {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Looked {
        let Some(done) = state.ticks.done else {
            return Looked::Unregistered;
        };
        let silence = self.silence.as_millis() as u64;
        let list = &state.ticks.schedules;
        let sighted = see(list, done, &self.schedule, silence, now.wall_ms());
        state.ticks.schedules.clone_from(&sighted.kept);
        state.retain_watermark(self.retain, now);
        Looked::Sighted(sighted)
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
        if ticks.due_claimant.as_deref() == Some(self.holder.as_str()) {
            ticks.due_attempt = ticks.due_attempt.saturating_sub(1);
            ticks.due_claimant = None;
        }
        if !state.held_by(&self.holder) {
            return Ownership::NotOurs;
        }
        state.release(None, now);
        Ownership::Ours
    }
}
