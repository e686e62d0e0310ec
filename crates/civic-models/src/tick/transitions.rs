//! What a step changes.

use super::actions::Action;
use super::around::Around;
use super::scope::Scope;
use super::state::State;
use crate::faults::Fault;
use crate::rules::{Rule, Rules};
use crate::store::{Answer, FENCES_PER_UNIT, Store};

/// Takes one step.
pub(super) fn apply(state: &mut State, scope: &Scope, rules: Rules, action: Action) {
    let around = Around { scope, rules };
    match action {
        Action::Pass => state.pass(rules),
        Action::Replica(process, duty) => state.duty(usize::from(process), duty, around),
        Action::Chore(process, fate) => state.chore(usize::from(process), fate, around),
        Action::ChoreTimesOut(process) => {
            state.replicas[usize::from(process)].chore_sent = None;
        }
        Action::Arrive(index) => {
            let moment = state.moment(around);
            state.server.arrive(usize::from(index), moment);
        }
        Action::Deliver(index) => {
            let message = state.server.wire.remove(usize::from(index));
            state.answered(&message, around);
        }
        Action::Crash(process) => {
            state.left.spend(Fault::Crash);
            state.replace_process(usize::from(process), around);
        }
        Action::Pause(process) => {
            state.left.spend(Fault::Pause);
            state.excuse_unanswered(usize::from(process), scope);
            state.replicas[usize::from(process)].paused = true;
        }
        Action::Resume(process) => state.replicas[usize::from(process)].paused = false,
        Action::Stop(process) => {
            state.left.spend(Fault::Stop);
            state.replicas[usize::from(process)].stopping = true;
        }
        Action::Freeze => {
            state.left.spend(Fault::Freeze);
            (0..state.replicas.len()).for_each(|index| state.excuse_unanswered(index, scope));
            state.server.frozen = true;
        }
        Action::Thaw => state.server.comes_back(),
        Action::SetClock(by) => state.set_clock(by, around),
        Action::Lose => {
            state.left.spend(Fault::Lose);
            let ahead = state.server.ahead;
            state.loses(Store::default(), ahead, scope);
        }
        Action::Copy => {
            state.left.spend(Fault::FailOver);
            state.server.copy = Some(state.server.store.clone());
        }
        Action::FailOver(ahead) => {
            let copy = state.server.copy.take().unwrap_or_default();
            state.loses(copy, ahead, scope);
        }
    }
    state.tidy(rules);
}

impl State {
    fn pass(&mut self, rules: Rules) {
        self.now += 1;
        self.server
            .store
            .expire(self.now + self.server.ahead, rules);
        for replica in &mut self.replicas {
            let before = replica.chores.first().cloned();
            replica.chores.retain(|chore| self.now < chore.until);
            if replica.chores.first() != before.as_ref() {
                replica.chore_sent = None;
            }
        }
    }

    fn set_clock(&mut self, by: i8, around: Around<'_>) {
        // Putting it right is no fault.
        if self.server.ahead == 0 {
            self.left.spend(if by < 0 {
                Fault::ClockBack
            } else {
                Fault::ClockForward
            });
        }
        self.server.ahead += by;
        if by > 0 {
            // A key may expire before its holder's own time is over.
            self.excused_until = self.excused_until.max(self.now + around.scope.settings.ttl);
        }
        self.server
            .store
            .expire(self.now + self.server.ahead, around.rules);
    }

    fn loses(&mut self, store: Store, ahead: i8, scope: &Scope) {
        self.seen.forgotten = true;
        self.excused_until = self.excused_until.max(self.now + scope.settings.ttl);
        self.server.goes_down(self.now, store, ahead);
    }

    /// Forgets what cannot matter any more, so that equal futures are equal states.
    fn tidy(&mut self, rules: Rules) {
        let clock = self.now + self.server.ahead;
        let late = rules.follow(Rule::LateCommandsDoNothing) && !self.left.has(Fault::ClockBack);
        let mut wire = std::mem::take(&mut self.server.wire);
        wire.retain(|message| match message.reply {
            None => !(late && message.not_after < clock),
            Some(_) => self.awaited(message.from).is_some_and(|it| it.is(message)),
        });
        for message in &mut wire {
            if let Some(reply) = &mut message.reply {
                reply.order = 0;
                // What the fence of a claim is, no replica asks.
                if let Answer::Claimed { fence, .. } = &mut reply.answer {
                    *fence = 0;
                }
            }
        }
        self.server.wire = wire;
        self.server.history.acquisitions = 0;
        // A replica that takes over may have a clock that is behind.
        let behind = i8::from(self.server.copy.is_some() || self.left.has(Fault::FailOver));
        if !self.left.has(Fault::ClockBack) {
            self.rank_fences(u16::try_from(clock - behind).unwrap_or(0) * FENCES_PER_UNIT);
        }
    }

    /// Fences below the clock matter by their order only.
    fn rank_fences(&mut self, clock: u16) {
        let copy = self.server.copy.as_mut().map(|copy| &mut copy.fence);
        let store = &mut self.server.store.fence;
        let fences = [Some(store), Some(&mut self.server.history.fence), copy];
        let mut known: Vec<u16> = fences.iter().flatten().map(|fence| **fence).collect();
        known.sort_unstable();
        known.dedup();
        for fence in fences.into_iter().flatten().filter(|fence| **fence < clock) {
            if let Ok(rank) = known.binary_search(fence) {
                *fence = rank as u16 + u16::from(known[0] != 0);
            }
        }
    }
}
