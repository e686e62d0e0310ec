//! What there is at one moment.

use std::fmt;

use super::scope::{LOSE, Scope, TIMEOUT};
use crate::faults::Budget;
use crate::rules::{Rule, Rules};
use crate::server::{Lane, Message, Server};
use crate::store::{Holder, Kind, Store};

/// All there is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct State {
    /// The true time, by which each process counts.
    pub now: i8,
    /// The server with its keys.
    pub server: Server,
    /// The processes, by their numbers.
    pub processes: Vec<Process>,
    /// The callers, by their numbers.
    pub callers: Vec<Caller>,
    /// How often each caller may still take the lock.
    pub acquisitions: Vec<u8>,
    /// The faults that may still happen.
    pub left: Budget,
    /// The largest fence that the resource has seen.
    pub resource_fence: u16,
    /// Whose write the resource took last, as the how manyth acquisition.
    pub resource_order: u8,
    /// By how much the server's clock was set back in all.
    pub set_back: i8,
    /// Until when two may believe that they hold the lock, because the store lost a key.
    pub excused_until: i8,
    /// A write of a holder that was followed by another was accepted.
    pub stale_write: bool,
    /// A process was kept out by a value that it had given up.
    pub blocked: bool,
    /// A value that was never sent is to be taken back.
    pub took_back_unsent: bool,
}

/// A process, with what its callers share.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Process {
    /// It is stopped.
    pub paused: bool,
    /// The number of its next value.
    pub next: u8,
    /// The number of its first value: earlier ones belong to the process before it.
    pub first: u8,
    /// Values to be taken back, and until when they matter.
    pub orphans: Vec<(Holder, i8)>,
    /// When the take-back that is under way was sent.
    pub undoing: Option<i8>,
    /// How far it takes the server's clock to be ahead.
    pub ahead: i8,
}

/// A caller that takes the lock now and then.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Caller {
    /// It has nothing.
    Idle,
    /// It waits for the answer to its acquire.
    Acquiring {
        /// The value under the key.
        holder: Holder,
        /// When it was sent.
        sent: i8,
        /// Which values of its process nothing held any more by then, one bit each. Only the
        /// properties know it.
        dead: u64,
    },
    /// It has a lease.
    Holding(Holding),
    /// It gives its lease back, until that is confirmed.
    Ending {
        /// The value under the key.
        holder: Holder,
        /// When the last command was sent, if its answer is outstanding.
        sent: Option<i8>,
        /// When the ttl has done the same.
        until: i8,
    },
}

/// A lease as its holder sees it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Holding {
    /// The value under the key.
    pub holder: Holder,
    /// The fence of the lease.
    pub fence: u16,
    /// The how manyth acquisition it was. Only the properties know it.
    pub order: u8,
    /// When the last confirmed command was sent.
    pub confirmed: i8,
    /// When the renewal that is under way was sent.
    pub renewing: Option<i8>,
    /// The write to the resource.
    pub write: Write,
}

/// A write to the resource, once per lease.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Write {
    /// The holder has not written yet.
    None,
    /// The holder has asked its lease, and is about to write.
    Checked,
    /// The holder has written.
    Done,
}

// ===== impl State =====

impl State {
    pub(super) fn new(scope: &Scope) -> Self {
        let processes = scope.callers.iter().max().map_or(0, |last| last + 1);
        Self {
            now: 0,
            server: Server::new(Store::default()),
            processes: vec![Process::default(); usize::from(processes)],
            callers: vec![Caller::Idle; scope.callers.len()],
            acquisitions: vec![scope.acquisitions; scope.callers.len()],
            left: scope.budget,
            resource_fence: 0,
            resource_order: 0,
            set_back: 0,
            excused_until: -1,
            stale_write: false,
            blocked: false,
            took_back_unsent: false,
        }
    }

    /// The leases whose holders would answer "yes" if they were asked now.
    pub(super) fn believing(&self, rules: Rules) -> impl Iterator<Item = &Holding> {
        self.callers.iter().filter_map(move |caller| match caller {
            Caller::Holding(holding) if holding.believes(self.now, rules) => Some(holding),
            _ => None,
        })
    }

    /// Which values of a process nothing holds any more, one bit each.
    pub(super) fn dead_values(&self, process: u8) -> u64 {
        let it = &self.processes[usize::from(process)];
        let live = |nth: u8| {
            let value = Holder { process, nth };
            self.callers
                .iter()
                .any(|caller| caller.holder() == Some(value))
        };
        (it.first..it.next)
            .filter(|nth| !live(*nth))
            .fold(0, |dead, nth| dead | 1 << nth)
    }

    /// Whether a process that runs has something to do before time can pass: its timers fire.
    pub(super) fn is_urgent(&self, rules: Rules) -> bool {
        let runs = |process: u8| !self.processes[usize::from(process)].paused;
        let is_over = |sent: Option<i8>| sent.is_some_and(|sent| self.now >= sent + TIMEOUT);
        let callers = self.callers.iter().any(|caller| {
            let overdue = match *caller {
                Caller::Idle => false,
                Caller::Acquiring { sent, .. } => is_over(Some(sent)),
                Caller::Holding(holding) => {
                    is_over(holding.renewing) || !holding.believes(self.now, rules)
                }
                Caller::Ending { sent, .. } => is_over(sent),
            };
            overdue && caller.holder().is_some_and(|holder| runs(holder.process))
        });
        let mut undoing = self.processes.iter();
        callers || undoing.any(|process| !process.paused && is_over(process.undoing))
    }

    /// Whether the store lost a key a short time ago, so that two may hold the lock.
    pub(super) fn is_excused(&self) -> bool {
        self.now < self.excused_until
    }

    /// The command whose answer a lane waits for, as far as its reply tells.
    pub(super) fn awaited(&self, lane: Lane) -> Option<Awaited> {
        if lane.caller == Lane::UNDO {
            let process = &self.processes[usize::from(lane.process)];
            let (holder, _) = process.orphans.first()?;
            return process.undoing.map(|sent| Awaited {
                kind: Kind::Release,
                holder: *holder,
                sent,
            });
        }
        match self.callers[usize::from(lane.caller)] {
            Caller::Idle => None,
            Caller::Acquiring { holder, sent, .. } => Some(Awaited {
                kind: Kind::Acquire,
                holder,
                sent,
            }),
            Caller::Holding(holding) => holding.renewing.map(|sent| Awaited {
                kind: Kind::Renew,
                holder: holding.holder,
                sent,
            }),
            Caller::Ending { holder, sent, .. } => sent.map(|sent| Awaited {
                kind: Kind::Release,
                holder,
                sent,
            }),
        }
    }
}

/// A command whose answer is outstanding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Awaited {
    pub(super) kind: Kind,
    pub(super) holder: Holder,
    pub(super) sent: i8,
}

// ===== impl Awaited =====

impl Awaited {
    /// Whether the message belongs to this very command.
    pub(super) fn is(&self, message: &Message) -> bool {
        message.serial == self.sent && self.has_echo_of(message) && self.has_kind_of(message)
    }

    /// Whether the message's value is the awaited one.
    pub(super) fn has_echo_of(&self, message: &Message) -> bool {
        message.echo() == Some(self.holder)
    }

    /// Whether the message answers the same script.
    pub(super) fn has_kind_of(&self, message: &Message) -> bool {
        message.command.kind() == self.kind
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Acquire => "acquire",
            Kind::Renew => "renewal",
            _ => "release",
        };
        write!(
            f,
            "the {kind} of {} that was sent at {}",
            self.holder, self.sent
        )
    }
}

// ===== impl Caller =====

impl Caller {
    /// The value that it uses.
    pub(super) fn holder(&self) -> Option<Holder> {
        match self {
            Self::Idle => None,
            Self::Acquiring { holder, .. } | Self::Ending { holder, .. } => Some(*holder),
            Self::Holding(holding) => Some(holding.holder),
        }
    }
}

// ===== impl Holding =====

impl Holding {
    /// Whether the holder would answer "yes" if it were asked at `now`.
    pub(super) fn believes(&self, now: i8, rules: Rules) -> bool {
        now < self.confirmed + LOSE || !rules.follow(Rule::HolderHasADeadline)
    }
}
