//! What the commands of an operator make of a state, see [`step`](super::transitions::step).

use crate::store::history::RunRecord;
use crate::store::host::moment::Moment;
use crate::store::host::process::Process;
use crate::store::host::state::State;
use crate::store::host::transitions::Transition;
use crate::store::operator::{
    Break, Broken, History, Pause, Paused, Requested, Reset, Resume, Resumed, RunNow,
    WatermarkReset,
};

// ===== impl Break =====

impl Transition for Break {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Broken {
        if state.holder.as_ref() != Some(&self.holder) {
            let holder = state.holder.clone();
            return Broken::Changed { holder };
        }
        let fence = state.bump(now);
        state.release(None, now);
        Broken::Broken { fence }
    }
}

// ===== impl History =====

impl Transition for History {
    fn apply(self, state: &mut State, _: Moment, _: &Process) -> Vec<RunRecord> {
        state.ticks.runs.iter().take(self.limit).cloned().collect()
    }
}

// ===== impl Pause =====

impl Transition for Pause {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Paused {
        if state.ticks.done.is_none() {
            return Paused::Unregistered;
        }
        Paused::Since(*state.ticks.paused.get_or_insert_with(|| now.wall_ms()))
    }
}

// ===== impl Reset =====

impl Transition for Reset {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> WatermarkReset {
        let ticks = &mut state.ticks;
        let Some(before) = ticks.done else {
            return WatermarkReset::Unregistered;
        };
        for seen in &mut ticks.schedules {
            // The ticks after the new watermark are due again.
            seen.first = seen.first.min(self.done);
            seen.last = seen.last.min(now.wall_ms());
        }
        ticks.done = Some(self.done);
        ticks.generation += 1;
        ticks.forget_claim();
        ticks.missed_by.clear();
        ticks.peer = None;
        WatermarkReset::Reset {
            generation: ticks.generation,
            before,
        }
    }
}

// ===== impl Resume =====

impl Transition for Resume {
    fn apply(self, state: &mut State, _: Moment, _: &Process) -> Resumed {
        if state.ticks.done.is_none() {
            return Resumed::Unregistered;
        }
        match state.ticks.paused.take() {
            Some(since) => Resumed::Since(since),
            None => Resumed::NotPaused,
        }
    }
}

// ===== impl RunNow =====

impl Transition for RunNow {
    fn apply(self, state: &mut State, now: Moment, _: &Process) -> Requested {
        let ticks = &mut state.ticks;
        if ticks.done.is_none() {
            return Requested::Unregistered;
        }
        if let Some(due) = ticks.due {
            return Requested::AlreadyDue(due);
        }
        let due = self.tick.unwrap_or_else(|| now.wall_ms());
        ticks.due = Some(due);
        ticks.due_attempt = 0;
        Requested::Due(due)
    }
}
