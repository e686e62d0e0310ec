//! What there is at one moment.

use super::scope::{RENEW, SUSPECT, Scope, TIMEOUT};
use super::seen::Seen;
use crate::faults::Budget;
use crate::rules::{Rule, Rules};
use crate::server::{Lane, Message, Server};
use crate::store::{Command, Holder, Kind, Store};

/// All there is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct State {
    /// The true time, by which each process counts.
    pub now: i8,
    /// The server with its keys.
    pub server: Server,
    /// The replicas, by their numbers.
    pub replicas: Vec<Replica>,
    /// The faults that may still happen.
    pub left: Budget,
    /// Until when two may hold the lock, because the store lost a key.
    pub excused_until: i8,
    /// What happened so far. Only the properties know it.
    pub seen: Seen,
}

/// A replica: one process after another.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Replica {
    /// It is stopped (SIGSTOP).
    pub paused: bool,
    /// It was told to end (SIGTERM).
    pub stopping: bool,
    /// The number of its next value.
    pub next: u8,
    /// The number of the first value of this process.
    pub first: u8,
    /// How far it takes the server's clock to be ahead of the true time.
    pub ahead: i8,
    /// What it knows to be done.
    pub known: i8,
    /// It does not ask the store before.
    pub rests_until: i8,
    /// What it does.
    pub phase: Phase,
    /// What it repeats in the background.
    pub chores: Vec<Chore>,
    /// When the first chore was sent, if its answer is outstanding.
    pub chore_sent: Option<i8>,
}

/// What a replica does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Phase {
    /// It has just started, and asks where to begin.
    Starting {
        /// When the question was sent.
        sent: Option<i8>,
    },
    /// The store does not know the job: it says where the ticks begin.
    Registering {
        /// The watermark that it offers.
        done: i8,
        /// When that was sent.
        sent: Option<i8>,
    },
    /// It waits for its next tick.
    Waiting,
    /// It asks for the time, because its clock is suspect.
    Measuring {
        /// When the question was sent.
        sent: i8,
    },
    /// It waits for the answer to a claim.
    Claiming {
        /// The value under the key.
        holder: Holder,
        /// When it was sent.
        sent: i8,
        /// Which values of its process nothing held any more by then. For the properties.
        dead: u64,
        /// The last holder that had handed its tick over by then. For the properties.
        handed: Option<Holder>,
    },
    /// Its work runs.
    Running(Run),
    /// It waits for its tick to be recorded.
    Completing {
        /// The value under the key.
        holder: Holder,
        /// The tick that it is about.
        tick: i8,
        /// When that was sent.
        sent: i8,
    },
    /// It waits for a tick to be given back: one that began, or one that did not.
    Handing {
        /// The value under the key.
        holder: Holder,
        /// Whether the work had begun.
        begun: bool,
        /// When that was sent.
        sent: i8,
    },
    /// It gives a tick up.
    GivingUp {
        /// The value by which the store remembers it.
        by: Holder,
        /// The watermark as it was seen.
        from: i8,
        /// The tick that it is about.
        to: i8,
        /// Whether an earlier call got no answer.
        unknown: bool,
        /// When the call was sent.
        sent: Option<i8>,
    },
}

/// A run of the work.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Run {
    /// The value under the key.
    pub holder: Holder,
    /// The tick that it is about.
    pub tick: i8,
    /// The how manyth attempt it is.
    pub attempt: u8,
    /// When it began.
    pub began: i8,
    /// When the last confirmed command was sent.
    pub confirmed: i8,
    /// When the renewal that is under way was sent.
    pub renewing: Option<i8>,
}

/// A command that is repeated until it is confirmed, or until the ttl has done the same.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Chore {
    /// The command with its arguments.
    pub command: Command,
    /// When it does not matter any more.
    pub until: i8,
    /// Whether its value was given up: then it travels with each claim.
    pub orphan: bool,
}

/// A command whose answer is outstanding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Awaited {
    pub(super) kind: Kind,
    pub(super) sent: i8,
    pub(super) holder: Option<Holder>,
}

// ===== impl State =====

impl State {
    pub(super) fn new(scope: &Scope) -> Self {
        let store = Store {
            ticks: scope.at_first(),
            ..Store::default()
        };
        let replica = Replica {
            paused: false,
            stopping: false,
            next: 0,
            first: 0,
            ahead: 0,
            known: 0,
            rests_until: 0,
            phase: if scope.registered {
                Phase::Waiting
            } else {
                Phase::Starting { sent: None }
            },
            chores: Vec::new(),
            chore_sent: None,
        };
        Self {
            now: 0,
            server: Server::new(store),
            replicas: vec![replica; scope.skews.len()],
            left: scope.budget,
            excused_until: -1,
            seen: Seen::new(scope),
        }
    }

    /// The runs whose replica would say that its lease holds.
    pub(super) fn believing<'a>(
        &'a self,
        scope: &'a Scope,
        rules: Rules,
    ) -> impl Iterator<Item = &'a Run> {
        self.replicas
            .iter()
            .filter_map(move |replica| match &replica.phase {
                Phase::Running(run) if run.believes(self.now, scope, rules) => Some(run),
                _ => None,
            })
    }

    /// Whether the store lost a key a short time ago, so that two may hold the lock.
    pub(super) fn is_excused(&self) -> bool {
        self.now < self.excused_until
    }

    /// Whether faults may still happen.
    pub(super) fn has_faults(&self, scope: &Scope) -> bool {
        self.now <= scope.last_fault
    }

    /// Whether each tick was run or reported by the end.
    pub(super) fn is_accounted(&self, scope: &Scope, rules: Rules) -> bool {
        self.now < scope.horizon
            || self.is_urgent(scope, rules)
            || self.seen.ticks.iter().all(|tick| tick.is_accounted(scope))
    }

    /// Whether something has to happen before time can pass.
    pub(super) fn is_urgent(&self, scope: &Scope, rules: Rules) -> bool {
        // Whatever was stopped goes on, and a wrong clock is put right, before the quiet time.
        let frozen = self.server.frozen && self.server.may_return(self.now, rules);
        let stands_still = frozen || self.replicas.iter().any(|it| it.paused);
        let wrong = self.server.ahead.abs() >= scope.jump;
        ((stands_still || wrong) && self.now >= scope.last_fault)
            || (0..self.replicas.len()).any(|index| self.has_to_act(scope, rules, index))
    }

    fn has_to_act(&self, scope: &Scope, rules: Rules, index: usize) -> bool {
        let replica = &self.replicas[index];
        if replica.paused {
            return false;
        }
        let is_over = |sent: i8| self.now >= sent + TIMEOUT;
        let chore = match replica.chore_sent {
            Some(sent) => is_over(sent),
            None => !replica.chores.is_empty() && !self.server.frozen,
        };
        chore
            || match replica.phase {
                Phase::Starting { sent: None }
                | Phase::Registering { sent: None, .. }
                | Phase::GivingUp { sent: None, .. } => self.now >= replica.rests_until,
                Phase::Waiting => self.is_due(scope, rules, index) || replica.stopping,
                Phase::Starting { sent: Some(sent) }
                | Phase::Registering {
                    sent: Some(sent), ..
                }
                | Phase::Measuring { sent }
                | Phase::Claiming { sent, .. }
                | Phase::Completing { sent, .. }
                | Phase::Handing { sent, .. }
                | Phase::GivingUp {
                    sent: Some(sent), ..
                } => is_over(sent),
                Phase::Running(run) => {
                    !run.believes(self.now, scope, rules)
                        || replica.stopping
                        || self.now >= run.began + scope.work
                        || match run.renewing {
                            Some(sent) => is_over(sent),
                            None => self.now >= run.confirmed + RENEW,
                        }
                }
            }
    }

    /// Whether a replica's next tick is due by its own clock.
    pub(super) fn is_due(&self, scope: &Scope, rules: Rules, index: usize) -> bool {
        let replica = &self.replicas[index];
        let Some(next) = scope.next_after(replica.known) else {
            return false;
        };
        // It goes by the store's clock where that is ahead of its own, unless that is suspect.
        let suspect = replica.is_suspect(scope.skews[index], rules);
        let ahead = if suspect {
            scope.skews[index]
        } else {
            scope.skews[index].max(replica.ahead)
        };
        self.now >= replica.rests_until && self.now + ahead >= next
    }

    /// The command whose answer a lane waits for.
    pub(super) fn awaited(&self, lane: Lane) -> Option<Awaited> {
        let replica = &self.replicas[usize::from(lane.process)];
        if lane.caller == Lane::UNDO {
            let chore = replica.chores.first()?;
            return replica.chore_sent.map(|sent| Awaited {
                kind: chore.command.kind(),
                sent,
                holder: chore.command.holder(),
            });
        }
        let (kind, holder, sent) = match replica.phase {
            Phase::Waiting => return None,
            Phase::Starting { sent } => (Kind::Peek, None, sent),
            Phase::Registering { sent, .. } => (Kind::Register, None, sent),
            Phase::Measuring { sent } => (Kind::Peek, None, Some(sent)),
            Phase::Claiming { holder, sent, .. } => (Kind::Claim, Some(holder), Some(sent)),
            Phase::Completing { holder, sent, .. } => (Kind::Complete, Some(holder), Some(sent)),
            Phase::Handing {
                holder,
                begun,
                sent,
            } => {
                let kind = if begun { Kind::Abandon } else { Kind::Unclaim };
                (kind, Some(holder), Some(sent))
            }
            Phase::Running(run) => (Kind::Renew, Some(run.holder), run.renewing),
            Phase::GivingUp { by, sent, .. } => (Kind::Miss, Some(by), sent),
        };
        sent.map(|sent| Awaited { kind, sent, holder })
    }
}

// ===== impl Replica =====

impl Replica {
    /// Whether its own clock and the store's differ too much.
    pub(super) fn is_suspect(&self, skew: i8, rules: Rules) -> bool {
        (self.ahead - skew).abs() > SUSPECT && rules.follow(Rule::SuspectClockClaimsNothing)
    }

    /// The value that its phase uses.
    pub(super) fn holder(&self) -> Option<Holder> {
        match self.phase {
            Phase::Claiming { holder, .. }
            | Phase::Completing { holder, .. }
            | Phase::Handing { holder, .. } => Some(holder),
            Phase::Running(run) => Some(run.holder),
            _ => None,
        }
    }

    /// The values that were given up, as they travel with a claim.
    pub(super) fn orphans(&self) -> impl Iterator<Item = Holder> {
        let given_up = self.chores.iter().filter(|chore| chore.orphan);
        given_up.filter_map(|chore| chore.command.holder())
    }
}

// ===== impl Replica =====

impl Replica {
    /// When the renewal that was just answered was sent.
    pub(super) fn renewal_sent(&self) -> Option<i8> {
        match self.phase {
            Phase::Running(run) => run.renewing,
            _ => None,
        }
    }
}

// ===== impl Run =====

impl Run {
    /// Whether the replica would say that its lease holds.
    pub(super) fn believes(&self, now: i8, scope: &Scope, rules: Rules) -> bool {
        now < self.confirmed + scope.settings.ttl || !rules.follow(Rule::HolderHasADeadline)
    }
}

// ===== impl Awaited =====

impl Awaited {
    /// Whether the message belongs to this very command.
    pub(super) fn is(&self, message: &Message) -> bool {
        message.serial == self.sent
            && message.echo() == self.holder
            && message.command.kind() == self.kind
    }
}
