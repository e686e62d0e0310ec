//! What there is at one moment of `once`.

use super::record::{Answer, Around, Command, Phase, Record};
use super::scope::{RENEW, Scope, TIMEOUT, TTL, WORK};
use crate::faults::Budget;
use crate::rules::Rules;
use crate::store::Holder;

/// All there is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct State {
    /// The time, which is everyone's.
    pub now: i8,
    /// The record in the store.
    pub record: Record,
    /// The processes, by their numbers.
    pub processes: Vec<Process>,
    /// What is stuck, in a fixed order.
    pub wire: Vec<Message>,
    /// The faults that may still happen.
    pub left: Budget,
    /// How often the work had its effect.
    pub effects: u8,
    /// The largest fence with which it was begun.
    pub fence: u8,
    /// A result was replaced by another.
    pub changed: bool,
    /// A finished execution was begun again.
    pub again: bool,
    /// It was begun again without a larger fence.
    pub same_fence: bool,
    /// It was finished without an effect.
    pub hollow: bool,
    /// A call was answered with the result of another one.
    pub crossed: bool,
    /// A holder gave back the execution of another one.
    pub foreign: bool,
    /// An operator ended an attempt that was not seen.
    pub unseen: bool,
    /// The last holder to begin could not record its result, and no operator had ended it.
    pub refused: bool,
    /// The attempt that an operator has seen in doubt, and whether its effect is there.
    pub seen: Option<(Holder, u8, bool)>,
    /// How often an operator may still look.
    pub looks: u8,
}

/// A command or a reply that is stuck.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Message {
    /// The number of the process that sent the command.
    pub process: u8,
    /// The command with its arguments.
    pub command: Command,
    /// When it was sent. The store does nothing later.
    pub sent: i8,
    /// The reply; none before the command is carried out.
    pub reply: Option<Answer>,
}

/// A process that wants the work to be done.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Process {
    /// It is stopped (SIGSTOP).
    pub paused: bool,
    /// The number of its next value.
    pub next: u8,
    /// A value whose beginning got no answer.
    pub orphan: Option<Holder>,
    /// It does not ask the store before.
    pub rests_until: i8,
    /// What it does.
    pub work: Work,
}

/// What a process does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Work {
    /// It wants the work to be done.
    Wanted,
    /// It waits for the answer to this command.
    Waiting(Command, i8),
    /// It does the work.
    Running(Run),
    /// It has done the work as this value, and got no answer when it recorded the result.
    Unrecorded(Holder),
    /// It has the answer that it wanted: finished, in doubt, or an error of its own.
    Over,
}

/// A run of the work.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Run {
    /// The value under the key.
    pub holder: Holder,
    /// When it began.
    pub began: i8,
    /// When the last confirmed command was sent.
    pub confirmed: i8,
    /// When the renewal that is under way was sent.
    pub renewing: Option<i8>,
    /// Whether it had its effect.
    pub effect: bool,
}

// ===== impl State =====

impl State {
    pub(super) fn new(scope: &Scope) -> Self {
        let process = Process {
            paused: false,
            next: 0,
            orphan: None,
            rests_until: 0,
            work: Work::Wanted,
        };
        Self {
            now: 0,
            record: Record::default(),
            processes: vec![process; usize::from(scope.processes)],
            wire: Vec::new(),
            left: scope.budget,
            effects: 0,
            fence: 0,
            changed: false,
            again: false,
            same_fence: false,
            hollow: false,
            crossed: false,
            foreign: false,
            unseen: false,
            refused: false,
            seen: None,
            looks: scope.looks,
        }
    }

    /// The command whose answer a process waits for.
    pub(super) fn awaited(&self, process: u8) -> Option<(Command, i8)> {
        match self.processes[usize::from(process)].work {
            Work::Waiting(command, sent) => Some((command, sent)),
            Work::Running(run) => run.renewing.map(|sent| (Command::Renew(run.holder), sent)),
            Work::Wanted | Work::Unrecorded(_) | Work::Over => None,
        }
    }

    /// Whether something has to happen before time can pass.
    pub(super) fn is_urgent(&self, scope: &Scope) -> bool {
        let is_over = |sent: i8| self.now >= sent + TIMEOUT;
        self.processes.iter().any(|process| {
            if process.paused {
                return self.now >= scope.last_fault;
            }
            match process.work {
                Work::Unrecorded(_) => true,
                Work::Wanted => self.now >= process.rests_until,
                Work::Waiting(_, sent) => is_over(sent),
                Work::Running(run) => {
                    !run.believes(self.now)
                        || self.now >= run.began + WORK
                        || match run.renewing {
                            Some(sent) => is_over(sent),
                            None => self.now >= run.confirmed + RENEW,
                        }
                }
                Work::Over => false,
            }
        })
    }

    /// Whether the execution has come to an end that is allowed.
    pub(super) fn is_completed(&self, scope: &Scope) -> bool {
        let over = |process: &Process| process.work == Work::Over;
        match self.record.phase {
            Phase::Finished => true,
            Phase::None | Phase::Free => self.processes.iter().all(over),
            Phase::Begun if self.record.is_in_doubt(self.now, scope.delivery) => true,
            // A process that failed, and could not tell the store in time.
            Phase::Begun => self.now >= self.record.expires && self.processes.iter().all(over),
        }
    }

    /// Whether a process still acts as this holder, even one that is stopped.
    pub(super) fn lives(&self, holder: Holder) -> bool {
        self.processes.iter().any(|process| match process.work {
            Work::Running(run) => run.holder == holder,
            Work::Unrecorded(unrecorded) => unrecorded == holder,
            Work::Waiting(command, _) => command.holder() == holder,
            Work::Wanted | Work::Over => false,
        })
    }

    /// What a command of this process is carried out with.
    pub(super) fn around(&self, process: u8, scope: &Scope, rules: Rules) -> Around {
        Around {
            now: self.now,
            delivery: scope.delivery,
            call: scope.call_of(process),
            retain: scope.retain,
            rules,
        }
    }
}

// ===== impl Run =====

impl Run {
    /// Whether the process would say that its lease holds.
    pub(super) fn believes(&self, now: i8) -> bool {
        now < self.confirmed + TTL
    }
}
