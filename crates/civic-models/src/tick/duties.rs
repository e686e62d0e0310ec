//! What a replica does of its own accord.

use super::around::Around;
use super::duty::Duty;
use super::scope::{Scope, TIMEOUT};
use super::state::{Chore, Phase, Replica, Run, State};
use crate::faults::Fault;
use crate::rules::Rule;
use crate::server::{Fate, Lane, Message, Moment};
use crate::store::{Command, Delivery, Holder};

impl State {
    pub(super) fn duty(&mut self, index: usize, duty: Duty, around: Around<'_>) {
        match duty {
            Duty::Ask(fate) => self.ask(index, fate, around),
            Duty::Claim(fate) => self.claim(index, fate, around),
            Duty::Measure(fate) => {
                self.replicas[index].phase = Phase::Measuring { sent: self.now };
                self.send(index, Command::Peek, fate, around);
            }
            Duty::Renew(fate) => self.renew(index, fate, around),
            Duty::Return(fate) => self.work_returned(index, fate, around),
            Duty::Fail(fate) => self.work_failed(index, fate, around),
            Duty::HandOver(fate) => {
                if let Phase::Running(run) = self.replicas[index].phase {
                    self.give_back(index, run.holder, true, fate, around);
                }
            }
            Duty::Drop => self.drop_work(index, around),
            Duty::TimeOut => self.timed_out(index, around),
            Duty::Exit => self.replace_process(index, around),
        }
    }

    fn ask(&mut self, index: usize, fate: Fate, around: Around<'_>) {
        let now = self.now;
        let command = match &mut self.replicas[index].phase {
            Phase::Starting { sent } => {
                *sent = Some(now);
                Command::Peek
            }
            Phase::Registering { done, sent } => {
                *sent = Some(now);
                Command::Register(*done)
            }
            Phase::GivingUp {
                by, from, to, sent, ..
            } => {
                *sent = Some(now);
                Command::Miss(*by, *from, *to)
            }
            _ => return,
        };
        self.send(index, command, fate, around);
    }

    fn claim(&mut self, index: usize, fate: Fate, around: Around<'_>) {
        let replica = &mut self.replicas[index];
        let Some(tick) = around.scope.next_after(replica.known) else {
            return;
        };
        let orphans = if around.rules.follow(Rule::OrphansTravel) {
            replica.orphans().collect()
        } else {
            Vec::new()
        };
        let dead = replica.dead_values();
        let holder = replica.new_holder(index);
        replica.phase = Phase::Claiming {
            holder,
            sent: self.now,
            dead,
            handed: self.seen.handed,
        };
        self.send(index, Command::Claim(holder, tick, orphans), fate, around);
    }

    fn renew(&mut self, index: usize, fate: Fate, around: Around<'_>) {
        if let Phase::Running(run) = self.replicas[index].phase {
            self.replicas[index].phase = Phase::Running(Run {
                renewing: Some(self.now),
                ..run
            });
            self.send(index, Command::Renew(run.holder), fate, around);
        }
    }

    fn work_returned(&mut self, index: usize, fate: Fate, around: Around<'_>) {
        let Phase::Running(run) = self.replicas[index].phase else {
            return;
        };
        if let Some(seen) = self.seen.tick(around.scope, run.tick) {
            seen.returned = true;
        }
        self.complete(index, run, fate, around);
    }

    fn work_failed(&mut self, index: usize, fate: Fate, around: Around<'_>) {
        self.left.spend(Fault::Fail);
        let Phase::Running(run) = self.replicas[index].phase else {
            return;
        };
        let again = around
            .scope
            .settings
            .attempts
            .is_some_and(|most| run.attempt < most);
        if again {
            self.give_back(index, run.holder, true, fate, around);
        } else {
            self.work_returned(index, fate, around);
        }
    }

    fn complete(&mut self, index: usize, run: Run, fate: Fate, around: Around<'_>) {
        let hold = if around.rules.follow(Rule::MinimumHold) {
            (around.scope.hold - (self.now - run.began)).max(0)
        } else {
            0
        };
        self.replicas[index].phase = Phase::Completing {
            holder: run.holder,
            tick: run.tick,
            sent: self.now,
        };
        let command = Command::Complete(run.holder, run.tick, hold);
        self.send(index, command, fate, around);
    }

    /// Gives a claimed tick back, whether or not its work has begun.
    pub(super) fn give_back(
        &mut self,
        index: usize,
        holder: Holder,
        begun: bool,
        fate: Fate,
        around: Around<'_>,
    ) {
        self.replicas[index].phase = Phase::Handing {
            holder,
            begun,
            sent: self.now,
        };
        let command = if begun {
            Command::Abandon(holder)
        } else {
            Command::Unclaim(holder)
        };
        self.send(index, command, fate, around);
    }

    fn drop_work(&mut self, index: usize, around: Around<'_>) {
        let Phase::Running(run) = self.replicas[index].phase else {
            return;
        };
        let command = match around.scope.settings.delivery {
            Delivery::AtLeastOnce => Command::Abandon(run.holder),
            Delivery::AtMostOnce => Command::Release(run.holder, 0),
        };
        self.replicas[index].phase = Phase::Waiting;
        self.repeat(index, command, false, around);
    }

    /// Repeats a command in the background until it is confirmed.
    pub(super) fn repeat(
        &mut self,
        index: usize,
        command: Command,
        orphan: bool,
        around: Around<'_>,
    ) {
        self.replicas[index].chores.push(Chore {
            command,
            until: self.now + around.scope.settings.ttl + TIMEOUT,
            orphan,
        });
    }

    pub(super) fn chore(&mut self, index: usize, fate: Fate, around: Around<'_>) {
        let Some(chore) = self.replicas[index].chores.first().cloned() else {
            return;
        };
        self.replicas[index].chore_sent = Some(self.now);
        let lane = Lane {
            process: index as u8,
            caller: Lane::UNDO,
        };
        self.send_from(lane, chore.command, fate, around);
    }

    fn send(&mut self, index: usize, command: Command, fate: Fate, around: Around<'_>) {
        let lane = Lane {
            process: index as u8,
            caller: 0,
        };
        self.send_from(lane, command, fate, around);
    }

    fn send_from(&mut self, lane: Lane, command: Command, fate: Fate, around: Around<'_>) {
        if fate != Fate::Answered && !self.server.frozen {
            self.left.spend(Fault::Delay);
        }
        let ahead = self.replicas[usize::from(lane.process)].ahead;
        let message = Message {
            serial: self.now,
            ..Message::new(lane, command, self.now + ahead + TIMEOUT - 1)
        };
        let moment = self.moment(around);
        if let Some(reply) = self.server.send(message.clone(), fate, moment) {
            let message = Message {
                reply: Some(reply),
                ..message
            };
            self.answered(&message, around);
        }
    }

    pub(super) fn moment<'a>(&self, around: Around<'a>) -> Moment<'a> {
        Moment {
            now: self.now,
            settings: &around.scope.settings,
            rules: around.rules,
        }
    }

    /// Another process starts in the place of this one.
    pub(super) fn replace_process(&mut self, index: usize, around: Around<'_>) {
        self.excuse_the_dead(index, around.scope);
        let ahead = self.server.ahead;
        let replica = &mut self.replicas[index];
        replica.first = replica.next;
        replica.paused = false;
        replica.stopping = false;
        replica.ahead = ahead;
        replica.known = 0;
        replica.rests_until = self.now;
        replica.phase = Phase::Starting { sent: None };
        replica.chores.clear();
        replica.chore_sent = None;
    }

    /// What a process takes along when it dies: the report of ticks that it has given up, and an
    /// at-most-once claim whose answer it has not seen.
    fn excuse_the_dead(&mut self, index: usize, scope: &Scope) {
        let replica = &self.replicas[index];
        if let Phase::GivingUp { from, to, .. } = replica.phase {
            for (tick, seen) in scope.ticks.iter().zip(&mut self.seen.ticks) {
                seen.excused |= from < *tick && *tick <= to;
            }
        }
        self.excuse_unanswered(index, scope);
    }

    /// An at-most-once tick may be lost with the process that has claimed it, or while that process
    /// is stopped: the documentation says so.
    pub(super) fn excuse_unanswered(&mut self, index: usize, scope: &Scope) {
        if scope.settings.delivery == Delivery::AtLeastOnce {
            return;
        }
        let replica = &self.replicas[index];
        let claiming = matches!(replica.phase, Phase::Claiming { .. });
        let next = scope.next_after(replica.known).filter(|_| claiming);
        let done = self.server.store.ticks.as_ref().map_or(0, |it| it.done);
        // Others may have taken its claim for done before it was taken back.
        let known = self.replicas.iter().map(|it| it.known).max();
        let done = done.max(known.unwrap_or(0));
        let past = scope.ticks.iter().filter(|tick| **tick <= done);
        for tick in past.chain(&next) {
            if let Some(seen) = self.seen.tick(scope, *tick) {
                seen.excused |= seen.begun == 0;
            }
        }
    }

    /// Whether the lease of an answer that came now would be over already.
    pub(super) fn is_stale(&self, sent: i8, scope: &Scope) -> bool {
        self.now >= sent + scope.settings.ttl
    }
}

impl Replica {
    /// A value that was never used.
    pub(super) fn new_holder(&mut self, index: usize) -> Holder {
        let holder = Holder {
            process: index as u8,
            nth: self.next,
        };
        self.next += 1;
        holder
    }

    /// Which values of this process nothing holds any more, one bit each.
    fn dead_values(&self) -> u64 {
        let live = |nth: u8| {
            let is = |holder: Option<Holder>| holder.is_some_and(|holder| holder.nth == nth);
            let unfinished = |chore: &Chore| !chore.orphan && is(chore.command.holder());
            is(self.holder()) || self.chores.iter().any(unfinished)
        };
        (self.first..self.next)
            .filter(|nth| !live(*nth))
            .fold(0, |dead, nth| dead | 1 << nth)
    }
}
