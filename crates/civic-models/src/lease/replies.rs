//! What a caller makes of a reply, or of none.

use super::scope::{LOSE, TIMEOUT, TTL};
use super::state::{Caller, Holding, State, Write};
use crate::rules::{Rule, Rules};
use crate::server::{Lane, Message, Reply};
use crate::store::{Answer, Holder, Kind};

impl State {
    /// A reply has come.
    pub(super) fn answered(&mut self, lane: Lane, message: &Message, rules: Rules) {
        let (Some(awaited), Some(reply)) = (self.awaited(lane), &message.reply) else {
            return;
        };
        let echoes = awaited.has_echo_of(message)
            && (message.serial == awaited.sent || !rules.follow(Rule::EveryCommandHasItsOwnEcho));
        let usable =
            awaited.has_kind_of(message) && (echoes || !rules.follow(Rule::EchoIsCompared));
        if !usable {
            self.failed(lane);
            return;
        }
        let process = &mut self.processes[usize::from(lane.process)];
        if message.serial == self.now {
            process.ahead = reply.clock - self.now;
        } else {
            process.ahead = process.ahead.max(reply.clock - self.now);
        }
        match awaited.kind {
            Kind::Acquire => self.acquired(lane, awaited.sent, reply, rules),
            Kind::Renew => self.renewed(lane, awaited.sent, &reply.answer, rules),
            _ => self.released(lane, &reply.answer),
        }
    }

    fn acquired(&mut self, lane: Lane, sent: i8, reply: &Reply, rules: Rules) {
        let Caller::Acquiring { holder, dead, .. } = self.callers[usize::from(lane.caller)] else {
            return;
        };
        match reply.answer {
            Answer::Granted(_) if self.now >= sent + LOSE => self.failed(lane),
            Answer::Granted(fence) => {
                let counts_from_sending = rules.follow(Rule::DeadlineCountsFromSending);
                self.callers[usize::from(lane.caller)] = Caller::Holding(Holding {
                    holder,
                    fence,
                    order: reply.order,
                    confirmed: if counts_from_sending { sent } else { self.now },
                    renewing: None,
                    write: Write::None,
                });
            }
            Answer::Busy(by) => {
                // Where the clock was set back, a late command may still be in time; a replica that
                // took over may know a value that was released.
                let own = by.process == lane.process && dead & (1 << by.nth) != 0;
                self.blocked |= own && self.set_back == 0 && self.excused_until < 0;
                self.callers[usize::from(lane.caller)] = Caller::Idle;
            }
            _ => self.callers[usize::from(lane.caller)] = Caller::Idle,
        }
    }

    fn renewed(&mut self, lane: Lane, sent: i8, answer: &Answer, rules: Rules) {
        let Caller::Holding(holding) = self.callers[usize::from(lane.caller)] else {
            return;
        };
        let mut holding = Holding {
            renewing: None,
            ..holding
        };
        // After the deadline the holder was told: no answer changes that.
        if holding.believes(self.now, rules) {
            match answer {
                Answer::Ours => {
                    let counts_from_sending = rules.follow(Rule::DeadlineCountsFromSending);
                    holding.confirmed = if counts_from_sending { sent } else { self.now };
                }
                Answer::NotOurs => {
                    self.callers[usize::from(lane.caller)] = Caller::Ending {
                        holder: holding.holder,
                        sent: None,
                        until: self.now + TTL + TIMEOUT,
                    };
                    return;
                }
                _ => {}
            }
        }
        self.callers[usize::from(lane.caller)] = Caller::Holding(holding);
    }

    fn released(&mut self, lane: Lane, answer: &Answer) {
        let done = *answer != Answer::Expired;
        if lane.caller == Lane::UNDO {
            let process = &mut self.processes[usize::from(lane.process)];
            process.undoing = None;
            if done {
                process.orphans.remove(0);
            }
        } else if let Caller::Ending { holder, until, .. } = self.callers[usize::from(lane.caller)]
        {
            self.callers[usize::from(lane.caller)] = if done {
                Caller::Idle
            } else {
                Caller::Ending {
                    holder,
                    sent: None,
                    until,
                }
            };
        }
    }

    /// No answer, or one that cannot be used.
    pub(super) fn failed(&mut self, lane: Lane) {
        if lane.caller == Lane::UNDO {
            self.processes[usize::from(lane.process)].undoing = None;
            return;
        }
        let index = usize::from(lane.caller);
        match self.callers[index] {
            Caller::Idle => {}
            Caller::Acquiring { holder, .. } => {
                self.give_up(holder);
                self.callers[index] = Caller::Idle;
            }
            Caller::Holding(holding) => {
                self.callers[index] = Caller::Holding(Holding {
                    renewing: None,
                    ..holding
                });
            }
            Caller::Ending { holder, until, .. } => {
                self.callers[index] = Caller::Ending {
                    holder,
                    sent: None,
                    until,
                };
            }
        }
    }

    pub(super) fn give_up(&mut self, holder: Holder) {
        let process = &mut self.processes[usize::from(holder.process)];
        process.orphans.push((holder, self.now + TTL + TIMEOUT));
    }
}
