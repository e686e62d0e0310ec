//! What a step changes.

use super::actions::{Action, Step};
use super::scope::{LOSE, SETTINGS, TIMEOUT, TTL};
use super::state::{Caller, Holding, State, Write};
use crate::faults::Fault;
use crate::rules::{Rule, Rules};
use crate::server::{Fate, Lane, Message, Moment};
use crate::store::{Command, Holder, Store};

/// Takes one step.
pub(super) fn apply(state: &mut State, rules: Rules, action: Action) {
    match action {
        Action::Pass => state.pass(rules),
        Action::Caller {
            caller,
            process,
            step,
        } => state.caller(Lane { process, caller }, step, rules),
        Action::Undo(process, fate) => state.undo(process, fate, rules),
        Action::UndoTimesOut(process) => {
            state.processes[usize::from(process)].undoing = None;
        }
        Action::Arrive(index) => {
            let moment = state.moment(rules);
            state.server.arrive(usize::from(index), moment);
        }
        Action::Deliver(index) => {
            let message = state.server.wire.remove(usize::from(index));
            state.answered(message.from, &message, rules);
        }
        Action::Misdeliver(index, lane) => {
            state.left.spend(Fault::Misdeliver);
            let message = state.server.wire.remove(usize::from(index));
            state.answered(lane, &message, rules);
        }
        Action::Crash(process) => state.crash(process),
        Action::Pause(process) => {
            state.left.spend(Fault::Pause);
            state.processes[usize::from(process)].paused = true;
        }
        Action::Resume(process) => state.processes[usize::from(process)].paused = false,
        Action::Freeze => {
            state.left.spend(Fault::Freeze);
            state.server.frozen = true;
        }
        Action::Thaw => state.server.comes_back(),
        Action::SetClock(by) => state.set_clock(by, rules),
        Action::Lose => {
            state.left.spend(Fault::Lose);
            let ahead = state.server.ahead;
            state.loses(Store::default(), ahead);
        }
        Action::Copy => {
            state.left.spend(Fault::FailOver);
            state.server.copy = Some(state.server.store.clone());
        }
        Action::FailOver(ahead) => {
            let copy = state.server.copy.take().unwrap_or_default();
            state.loses(copy, ahead);
        }
    }
    state.tidy(rules);
}

impl State {
    fn moment(&self, rules: Rules) -> Moment<'static> {
        Moment {
            now: self.now,
            settings: &SETTINGS,
            rules,
        }
    }

    fn pass(&mut self, rules: Rules) {
        self.now += 1;
        self.server
            .store
            .expire(self.now + self.server.ahead, rules);
        for process in &mut self.processes {
            let first = process.orphans.first().copied();
            process.orphans.retain(|(_, until)| self.now < *until);
            if process.orphans.first().copied() != first {
                process.undoing = None;
            }
        }
        for caller in &mut self.callers {
            if matches!(caller, Caller::Ending { until, .. } if self.now >= *until) {
                *caller = Caller::Idle;
            }
        }
    }

    fn set_clock(&mut self, by: i8, rules: Rules) {
        self.server.ahead += by;
        if by < 0 {
            self.left.spend(Fault::ClockBack);
            self.set_back -= by;
        } else {
            self.left.spend(Fault::ClockForward);
            // Its key may expire before the holder's own time is over.
            self.excused_until = self.excused_until.max(self.now + LOSE);
        }
        self.server
            .store
            .expire(self.now + self.server.ahead, rules);
    }

    fn loses(&mut self, store: Store, ahead: i8) {
        self.excused_until = self.excused_until.max(self.now + LOSE);
        // By the clock of the new server, the keys that it has copied live longer.
        self.set_back += (self.server.ahead - ahead).max(0);
        self.server.goes_down(self.now, store, ahead);
    }

    fn caller(&mut self, lane: Lane, step: Step, rules: Rules) {
        let index = usize::from(lane.caller);
        match (step, self.callers[index]) {
            (Step::Acquire(fate), Caller::Idle) => self.acquire(lane, fate, rules),
            (Step::Renew(fate), Caller::Holding(holding)) => {
                self.callers[index] = Caller::Holding(Holding {
                    renewing: Some(self.now),
                    ..holding
                });
                self.send(lane, Command::Renew(holding.holder), fate, rules);
            }
            (Step::Check, Caller::Holding(holding)) => {
                self.callers[index] = Caller::Holding(Holding {
                    write: Write::Checked,
                    ..holding
                });
            }
            (Step::Write, Caller::Holding(holding)) => {
                self.callers[index] = Caller::Holding(Holding {
                    write: Write::Done,
                    ..holding
                });
                self.write(holding, rules);
            }
            (Step::Release(fate), Caller::Holding(Holding { holder, .. })) => {
                self.release(lane, holder, self.now + TTL + TIMEOUT, fate, rules);
            }
            (Step::Release(fate), Caller::Ending { holder, until, .. }) => {
                self.release(lane, holder, until, fate, rules);
            }
            (Step::TimeOut, _) => self.failed(lane),
            _ => {}
        }
    }

    fn acquire(&mut self, lane: Lane, fate: Fate, rules: Rules) {
        let dead = self.dead_values(lane.process);
        let process = &mut self.processes[usize::from(lane.process)];
        let holder = Holder {
            process: lane.process,
            nth: process.next,
        };
        let orphans = if !rules.follow(Rule::OrphansTravel) {
            Vec::new()
        } else if rules.follow(Rule::LiveValuesAreNoOrphans) {
            process.orphans.iter().map(|(holder, _)| *holder).collect()
        } else {
            let own = |nth| Holder {
                process: lane.process,
                nth,
            };
            (process.first..process.next).map(own).collect()
        };
        process.next += 1;
        self.acquisitions[usize::from(lane.caller)] -= 1;
        if fate == Fate::Refused {
            self.left.spend(Fault::Refuse);
            if !rules.follow(Rule::NeverSentIsNoOrphan) {
                self.took_back_unsent = true;
                self.give_up(holder);
            }
            return;
        }
        self.callers[usize::from(lane.caller)] = Caller::Acquiring {
            holder,
            sent: self.now,
            dead,
        };
        self.send(lane, Command::Acquire(holder, orphans), fate, rules);
    }

    fn release(&mut self, lane: Lane, holder: Holder, until: i8, fate: Fate, rules: Rules) {
        self.callers[usize::from(lane.caller)] = Caller::Ending {
            holder,
            sent: Some(self.now),
            until,
        };
        self.send(lane, Command::Release(holder, 0), fate, rules);
    }

    fn undo(&mut self, process: u8, fate: Fate, rules: Rules) {
        let it = &mut self.processes[usize::from(process)];
        let Some((holder, _)) = it.orphans.first().copied() else {
            return;
        };
        it.undoing = Some(self.now);
        let lane = Lane {
            process,
            caller: Lane::UNDO,
        };
        self.send(lane, Command::Release(holder, 0), fate, rules);
    }

    /// Sends a command, and takes the answer if it comes at once.
    fn send(&mut self, lane: Lane, command: Command, fate: Fate, rules: Rules) {
        if fate != Fate::Answered && !self.server.frozen {
            self.left.spend(Fault::Delay);
        }
        let ahead = self.processes[usize::from(lane.process)].ahead;
        let message = Message {
            serial: self.now,
            ..Message::new(lane, command, self.now + ahead + TIMEOUT - 1)
        };
        let moment = self.moment(rules);
        if let Some(reply) = self.server.send(message.clone(), fate, moment) {
            let message = Message {
                reply: Some(reply),
                ..message
            };
            self.answered(lane, &message, rules);
        }
    }

    fn write(&mut self, holding: Holding, rules: Rules) {
        if holding.fence < self.resource_fence && rules.follow(Rule::ResourceCompares) {
            return;
        }
        self.stale_write |= holding.order < self.resource_order;
        self.resource_fence = self.resource_fence.max(holding.fence);
        self.resource_order = self.resource_order.max(holding.order);
    }

    fn crash(&mut self, process: u8) {
        self.left.spend(Fault::Crash);
        for caller in &mut self.callers {
            if caller
                .holder()
                .is_some_and(|holder| holder.process == process)
            {
                *caller = Caller::Idle;
            }
        }
        let it = &mut self.processes[usize::from(process)];
        it.orphans.clear();
        it.undoing = None;
        it.first = it.next;
        it.ahead = self.server.ahead;
    }
}
