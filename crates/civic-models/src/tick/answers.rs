//! What a replica makes of an answer, or of none.

use super::around::Around;
use super::duty::Duty;
use super::state::{Phase, Run, State};
use crate::rules::Rule;
use crate::server::{Fate, Lane, Message, Reply};
use crate::store::{Answer, Command, Holder};

impl State {
    /// A reply has come to the command that waits for it.
    pub(super) fn answered(&mut self, message: &Message, around: Around<'_>) {
        let Some(reply) = &message.reply else { return };
        let index = usize::from(message.from.process);
        let replica = &mut self.replicas[index];
        let measured = reply.clock - self.now;
        replica.ahead = if message.serial == self.now {
            measured
        } else {
            replica.ahead.max(measured)
        };
        if message.from.caller == Lane::UNDO {
            replica.chore_sent = None;
            if reply.answer != Answer::Expired {
                replica.chores.remove(0);
            }
            return;
        }
        let skew = around.scope.skews[index];
        let suspect = self.replicas[index].is_suspect(skew, around.rules)
            && around.rules.follow(Rule::SuspectAnswerIsIgnored);
        match self.replicas[index].phase {
            Phase::Waiting => {}
            Phase::Starting { .. } => self.started(index, reply, suspect, around),
            Phase::Registering { .. } => self.registered(index, &reply.answer),
            Phase::Measuring { .. } => {
                self.replicas[index].phase = Phase::Waiting;
                if self.replicas[index].is_suspect(skew, around.rules) {
                    self.rest(index);
                }
            }
            Phase::Claiming {
                holder,
                sent,
                dead,
                handed,
            } => {
                if let Answer::Claimed { .. } = reply.answer
                    && self.is_stale(sent, around.scope)
                {
                    self.timed_out(index, around);
                    return;
                }
                self.replicas[index].phase = Phase::Waiting;
                if let Answer::Running(by) = reply.answer {
                    let own = usize::from(by.process) == index && dead & (1 << by.nth) != 0;
                    self.seen.blocked |= own && !self.seen.forgotten;
                    self.seen.not_handed |= handed == Some(by);
                }
                self.claimed(index, (holder, sent), reply, suspect, around);
            }
            Phase::Running(run) => self.renewed(index, run, &reply.answer, around),
            Phase::Completing { holder, tick, .. } => {
                self.completed(index, holder, tick, message, around);
            }
            Phase::Handing { holder, .. } => {
                if reply.answer == Answer::Expired {
                    self.timed_out(index, around);
                    return;
                }
                if reply.answer == Answer::Ours {
                    self.seen.handed = Some(holder);
                }
                self.replicas[index].phase = Phase::Waiting;
                if suspect {
                    self.rest(index);
                }
            }
            Phase::GivingUp {
                from, to, unknown, ..
            } => self.gave_up(index, (from, to, unknown), reply, around),
        }
    }

    fn rest(&mut self, index: usize) {
        self.replicas[index].rests_until = self.now + 1;
    }

    fn started(&mut self, index: usize, reply: &Reply, suspect: bool, around: Around<'_>) {
        let replica = &mut self.replicas[index];
        match reply.answer {
            Answer::Peeked(Some(done)) => {
                replica.known = done;
                replica.phase = Phase::Waiting;
            }
            Answer::Peeked(None) if !suspect => {
                let done = around.scope.latest_at(reply.clock);
                replica.phase = Phase::Registering { done, sent: None };
                // No one is left who could know of earlier ticks: it decides where they begin.
                let past = done.min(self.now);
                let ticks = around.scope.ticks.iter().zip(&mut self.seen.ticks);
                for (_, seen) in ticks.filter(|(tick, _)| **tick <= past) {
                    seen.excused = true;
                }
            }
            _ => {
                replica.phase = Phase::Starting { sent: None };
                self.rest(index);
            }
        }
    }

    fn registered(&mut self, index: usize, answer: &Answer) {
        let replica = &mut self.replicas[index];
        match answer {
            Answer::Registered(done) => {
                replica.known = replica.known.max(*done);
                replica.phase = Phase::Waiting;
            }
            _ => {
                if let Phase::Registering { sent, .. } = &mut replica.phase {
                    *sent = None;
                }
                self.rest(index);
            }
        }
    }

    fn claimed(
        &mut self,
        index: usize,
        (holder, sent): (Holder, i8),
        reply: &Reply,
        suspect: bool,
        around: Around<'_>,
    ) {
        match reply.answer {
            Answer::Claimed { .. } if self.replicas[index].stopping || suspect => {
                // Its work has not begun: it was never ours.
                self.give_back(index, holder, false, Fate::Answered, around);
            }
            Answer::Claimed { tick, attempt, .. } => {
                let counts_from_sending = around.rules.follow(Rule::DeadlineCountsFromSending);
                let recorded = self.server.history.recorded & (1 << tick) != 0;
                let faultless = self.left == around.scope.budget;
                self.seen
                    .begins(around.scope, tick, attempt, recorded, faultless);
                self.replicas[index].phase = Phase::Running(Run {
                    holder,
                    tick,
                    attempt,
                    began: self.now,
                    confirmed: if counts_from_sending { sent } else { self.now },
                    renewing: None,
                });
            }
            Answer::AlreadyDone(done) => {
                let replica = &mut self.replicas[index];
                replica.known = replica.known.max(done);
            }
            Answer::TooLate { tick, done } | Answer::Exhausted { tick, done } if !suspect => {
                let by = self.replicas[index].new_holder(index);
                self.replicas[index].phase = Phase::GivingUp {
                    by,
                    from: done,
                    to: tick,
                    unknown: false,
                    sent: None,
                };
            }
            Answer::Unregistered if !suspect => {
                let knows = around.rules.follow(Rule::KnownWatermarkIsRegistered);
                let done = if knows {
                    self.replicas[index].known
                } else {
                    around.scope.latest_at(reply.clock)
                };
                self.replicas[index].phase = Phase::Registering { done, sent: None };
            }
            _ => self.rest(index),
        }
    }

    fn renewed(&mut self, index: usize, run: Run, answer: &Answer, around: Around<'_>) {
        let mut run = Run {
            renewing: None,
            ..run
        };
        let confirmed = if around.rules.follow(Rule::DeadlineCountsFromSending) {
            self.replicas[index].renewal_sent().unwrap_or(self.now)
        } else {
            self.now
        };
        // After the deadline the holder was told: no answer changes that.
        if run.believes(self.now, around.scope, around.rules) && *answer == Answer::Ours {
            run.confirmed = confirmed;
        }
        self.replicas[index].phase = Phase::Running(run);
        if *answer == Answer::NotOurs {
            self.duty(index, Duty::Drop, around);
        }
    }

    fn completed(
        &mut self,
        index: usize,
        holder: Holder,
        tick: i8,
        message: &Message,
        around: Around<'_>,
    ) {
        match message.reply.as_ref().map(|reply| &reply.answer) {
            Some(Answer::Ours) => {
                let replica = &mut self.replicas[index];
                replica.known = replica.known.max(tick);
                replica.phase = Phase::Waiting;
            }
            Some(Answer::NotOurs) => self.replicas[index].phase = Phase::Waiting,
            _ => {
                self.repeat(index, Command::Complete(holder, tick, 0), false, around);
                self.replicas[index].phase = Phase::Waiting;
                self.rest(index);
            }
        }
        let _ = around;
    }

    fn gave_up(
        &mut self,
        index: usize,
        (from, to, unknown): (i8, i8, bool),
        reply: &Reply,
        around: Around<'_>,
    ) {
        let done = match reply.answer {
            Answer::Marked => {
                if around.rules.follow(Rule::MissedTicksAreReported) || !unknown {
                    let running = self.believing(around.scope, around.rules);
                    let running = running.fold(0, |bits, run| bits | 1 << run.tick);
                    let busy = self.server.history.recorded | running;
                    self.seen.missed(around.scope, (from, to), self.now, busy);
                }
                to
            }
            Answer::Changed(done) => done.unwrap_or(from),
            _ => {
                if let Phase::GivingUp { sent, .. } = &mut self.replicas[index].phase {
                    *sent = None;
                }
                self.rest(index);
                return;
            }
        };
        let replica = &mut self.replicas[index];
        replica.known = replica.known.max(done);
        replica.phase = Phase::Waiting;
        if done < to {
            self.rest(index);
            return;
        }
        // One more than the grace: at the grace itself a tick may still begin.
        let last = reply.clock - around.scope.settings.grace - 1;
        let last = around.scope.latest_at(last);
        if last > done {
            let by = replica.new_holder(index);
            replica.phase = Phase::GivingUp {
                by,
                from: done,
                to: last,
                unknown: false,
                sent: None,
            };
        }
    }

    /// No answer came in time.
    pub(super) fn timed_out(&mut self, index: usize, around: Around<'_>) {
        let phase = self.replicas[index].phase;
        self.rest(index);
        self.replicas[index].phase = match phase {
            Phase::Waiting | Phase::Measuring { .. } => Phase::Waiting,
            Phase::Starting { .. } => Phase::Starting { sent: None },
            Phase::Registering { done, .. } => Phase::Registering { done, sent: None },
            Phase::Claiming { holder, .. } => {
                self.repeat(index, Command::Unclaim(holder), true, around);
                Phase::Waiting
            }
            Phase::Running(run) => Phase::Running(Run {
                renewing: None,
                ..run
            }),
            Phase::Completing { holder, tick, .. } => {
                let hold = around.scope.hold;
                self.repeat(index, Command::Complete(holder, tick, hold), false, around);
                Phase::Waiting
            }
            Phase::Handing { holder, begun, .. } => {
                let command = if begun {
                    Command::Abandon(holder)
                } else {
                    Command::Unclaim(holder)
                };
                self.repeat(index, command, false, around);
                Phase::Waiting
            }
            Phase::GivingUp { by, from, to, .. } => Phase::GivingUp {
                by,
                from,
                to,
                unknown: true,
                sent: None,
            },
        };
    }
}
