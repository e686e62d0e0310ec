//! What a step of `once` changes.

use super::actions::{Action, is_awaited};
use super::record::{Answer, Author, Command, Phase};
use super::scope::Scope;
use super::state::{Message, Process, Run, State, Work};
use crate::faults::Fault;
use crate::rules::{Rule, Rules};
use crate::server::Fate;
use crate::store::Holder;

/// Takes one step.
pub(super) fn apply(state: &mut State, scope: &Scope, rules: Rules, action: Action) {
    match action {
        Action::Pass => {
            state.now += 1;
            let before = state.record.phase;
            state.record.end_if_over(state.now);
            if before != state.record.phase {
                // What is promised is promised for as long as the record is retained.
                state.effects = 0;
            }
        }
        Action::Begin(number, fate) => {
            let process = &mut state.processes[usize::from(number)];
            let holder = Holder {
                process: number,
                nth: process.next,
            };
            process.next += 1;
            let command = Command::Begin(holder, process.orphan);
            state.ask(number, command, fate, scope, rules);
        }
        Action::Renew(number, fate) => {
            if let Work::Running(run) = &mut state.processes[usize::from(number)].work {
                run.renewing = Some(state.now);
                let command = Command::Renew(run.holder);
                state.send(number, command, fate, scope, rules);
            }
        }
        Action::Effect(number) => {
            if let Work::Running(run) = &mut state.processes[usize::from(number)].work {
                run.effect = true;
                state.effects = (state.effects + 1).min(3);
            }
        }
        Action::Finish(number, fate) => {
            let work = state.processes[usize::from(number)].work;
            if let Work::Running(Run { holder, .. }) | Work::Unrecorded(holder) = work {
                state.ask(number, Command::Finish(holder), fate, scope, rules);
            }
        }
        Action::Fail(number, fate) => {
            state.left.spend(Fault::Fail);
            if let Work::Running(run) = state.processes[usize::from(number)].work {
                let command = if rules.follow(Rule::ErrorIsNoCompletion) {
                    Command::Forget(run.holder)
                } else {
                    Command::Finish(run.holder)
                };
                state.ask(number, command, fate, scope, rules);
            }
        }
        Action::Drop(number) => state.want_again(number),
        Action::TimeOut(number) => state.timed_out(number),
        Action::Arrive(index) => {
            let message = state.wire.remove(usize::from(index));
            let reply = Some(state.carry_out(&message, scope, rules));
            state.put(Message { reply, ..message });
        }
        Action::Deliver(index) => {
            let message = state.wire.remove(usize::from(index));
            state.answered(&message);
        }
        Action::Crash(number) => {
            state.left.spend(Fault::Crash);
            let next = state.processes[usize::from(number)].next;
            state.processes[usize::from(number)] = Process {
                paused: false,
                next,
                orphan: None,
                rests_until: state.now,
                work: Work::Wanted,
            };
        }
        Action::Pause(number) => {
            state.left.spend(Fault::Pause);
            state.processes[usize::from(number)].paused = true;
        }
        Action::Resume(number) => state.processes[usize::from(number)].paused = false,
        Action::Look => {
            state.looks -= 1;
            let Some(holder) = state.record.holder else {
                return;
            };
            state.seen = Some((holder, state.record.attempt, state.effects > 0));
        }
        Action::Resolve(fate) => {
            let Some((holder, attempt, done)) = state.seen else {
                return;
            };
            let (before, around) = (state.record, state.around(0, scope, rules));
            let answer = state.record.resolve((holder, attempt), done, around);
            let is_seen = (before.holder, before.attempt) == (Some(holder), attempt);
            state.unseen |= answer == Answer::Ours && !is_seen;
            if fate == Fate::Answered {
                state.seen = None;
            } else {
                state.left.spend(Fault::Delay);
            }
        }
    }
    let now = state.now;
    let mut wire = std::mem::take(&mut state.wire);
    wire.retain(|message| match message.reply {
        None => now <= message.sent,
        Some(_) => is_awaited(state, message),
    });
    state.wire = wire;
}

impl State {
    /// Sends a command, and waits for its answer and for nothing else.
    fn ask(&mut self, number: u8, command: Command, fate: Fate, scope: &Scope, rules: Rules) {
        self.processes[usize::from(number)].work = Work::Waiting(command, self.now);
        self.send(number, command, fate, scope, rules);
    }

    fn send(&mut self, number: u8, command: Command, fate: Fate, scope: &Scope, rules: Rules) {
        let message = Message {
            process: number,
            command,
            sent: self.now,
            reply: None,
        };
        if fate != Fate::Answered {
            self.left.spend(Fault::Delay);
        }
        if fate == Fate::Stuck {
            self.put(message);
            return;
        }
        let reply = Some(self.carry_out(&message, scope, rules));
        let message = Message { reply, ..message };
        if fate == Fate::Answered {
            self.answered(&message);
        } else {
            self.put(message);
        }
    }

    fn put(&mut self, message: Message) {
        let at = self.wire.partition_point(|other| *other < message);
        self.wire.insert(at, message);
    }

    fn carry_out(&mut self, message: &Message, scope: &Scope, rules: Rules) -> Answer {
        if self.now > message.sent {
            return Answer::Expired;
        }
        let before = self.record;
        let around = self.around(message.process, scope, rules);
        let answer = self.record.step(message.command, around);
        if let Answer::Begun(_, fence) = answer {
            self.again |= before.phase == Phase::Finished;
            self.same_fence |= fence <= self.fence;
            self.fence = self.fence.max(fence);
        }
        self.crossed |= answer == Answer::Finished && before.call != around.call;
        let is_last = before.holder == Some(message.command.holder());
        if let (Command::Forget(_), Answer::Ours) = (message.command, answer) {
            self.foreign |= !is_last;
        }
        if let (Command::Finish(_), Answer::NotOurs) = (message.command, answer) {
            let resolved = before.result == Some(Author::Operator) || before.phase == Phase::Free;
            self.refused |= is_last && !resolved;
        }
        if self.record.phase == Phase::Finished {
            let result = before.result;
            self.changed |= result.is_some() && result != self.record.result;
            self.hollow |= before.phase != Phase::Finished && self.effects == 0;
        }
        answer
    }

    fn answered(&mut self, message: &Message) {
        let (now, index) = (self.now, usize::from(message.process));
        let process = &mut self.processes[index];
        let Some(answer) = message.reply else { return };
        match (message.command, answer) {
            (Command::Renew(_), _) => {
                if let Work::Running(run) = &mut process.work {
                    run.renewing = None;
                    if answer == Answer::Ours && run.believes(now) {
                        run.confirmed = message.sent;
                    } else if answer == Answer::NotOurs {
                        self.want_again(message.process);
                    }
                }
            }
            (Command::Begin(holder, _), Answer::Begun(..)) => {
                process.orphan = None;
                process.work = Work::Running(Run {
                    holder,
                    began: now,
                    confirmed: message.sent,
                    renewing: None,
                    effect: false,
                });
            }
            (Command::Begin(..), Answer::Finished | Answer::InDoubt | Answer::Different) => {
                process.work = Work::Over;
            }
            (Command::Finish(_), Answer::Ours) => process.work = Work::Over,
            // The error is returned to the caller, who does not ask again.
            (Command::Forget(_), _) => process.work = Work::Over,
            _ => self.want_again(message.process),
        }
    }

    fn want_again(&mut self, number: u8) {
        let process = &mut self.processes[usize::from(number)];
        process.work = Work::Wanted;
        process.rests_until = self.now + 1;
    }

    fn timed_out(&mut self, number: u8) {
        let process = &mut self.processes[usize::from(number)];
        match &mut process.work {
            Work::Running(run) => run.renewing = None,
            Work::Waiting(Command::Begin(holder, _), _) => {
                // It is taken back at the next beginning, which carries it along.
                process.orphan = Some(*holder);
                self.want_again(number);
            }
            // A result is recorded again until it is known what became of it.
            Work::Waiting(Command::Finish(holder), _) => {
                process.work = Work::Unrecorded(*holder);
            }
            Work::Waiting(Command::Forget(_), _) => process.work = Work::Over,
            Work::Waiting(..) | Work::Unrecorded(_) | Work::Wanted | Work::Over => {
                self.want_again(number);
            }
        }
    }
}
