//! A history, sorted out: who held what and when, and which fault hit whom.

use std::collections::BTreeMap;

use crate::fault::{Class, Fault};
use crate::history::{
    Backend, Edge, Group, Kind, MILLI, Nanos, Phase, Record, SECOND, ServerState, Signal,
    TickEvent, What,
};

/// A process that is continued, or a machine that goes on, needs so long to get anything done.
const AFTERMATH: Nanos = 500 * MILLI;

#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) records: &'a [Record],
    pub(crate) wall_offset: Nanos,
    pub(crate) groups: Vec<&'a Group>,
    pub(crate) lives: BTreeMap<u32, Life<'a>>,
    /// In the order in which they began.
    pub(crate) leases: Vec<Lease>,
    pub(crate) faults: Vec<Injected>,
    /// From the moment at which the server's data was gone until it answered again.
    pub(crate) losses: Vec<Span>,
    pub(crate) stalls: Vec<Span>,
    /// When everybody was told to stop.
    pub(crate) end: Option<Nanos>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) from: Nanos,
    pub(crate) to: Nanos,
}

/// One process.
#[derive(Debug)]
pub(crate) struct Life<'a> {
    pub(crate) replica: &'a str,
    pub(crate) group: usize,
    pub(crate) started: Nanos,
    pub(crate) killed: Option<Nanos>,
    pub(crate) terminated: Option<Nanos>,
    pub(crate) exit: Option<Nanos>,
    pub(crate) pauses: Vec<Span>,
}

/// One acquisition, as its holder saw it.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) group: usize,
    pub(crate) life: u32,
    pub(crate) fence: u64,
    /// Of ticks: the tick and the attempt.
    pub(crate) turn: Option<(u64, u32)>,
    /// The record with which it begins.
    pub(crate) record: usize,
    pub(crate) begin: Nanos,
    /// The record with which it ends, and when.
    pub(crate) end: Option<(usize, Nanos)>,
    pub(crate) ended: Ended,
    /// When its holder was told that it is lost.
    pub(crate) told: Option<Nanos>,
}

/// How a lease ended, by the account of its holder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// The work was done, and for a tick the store has confirmed it.
    Done,
    /// The work was done, or failed, and the store did not confirm it.
    Unconfirmed,
    /// The store did not confirm it; later the tick turned out to be done, by this run or another.
    ConfirmedLate,
    HandedOver,
    Lost,
    /// Nothing more was heard of it.
    Silent,
}

#[derive(Debug)]
pub(crate) struct Injected {
    pub(crate) fault: Fault,
    pub(crate) life: Option<u32>,
    pub(crate) group: Option<usize>,
    pub(crate) span: Span,
}

impl Span {
    pub(crate) fn meets(self, other: Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}

impl<'a> View<'a> {
    pub(crate) fn new(records: &'a [Record]) -> Self {
        let mut view = Self {
            records,
            wall_offset: 0,
            groups: Vec::new(),
            lives: BTreeMap::new(),
            leases: Vec::new(),
            faults: Vec::new(),
            losses: Vec::new(),
            stalls: Vec::new(),
            end: None,
        };
        let mut open_faults = BTreeMap::new();
        let mut open_leases = BTreeMap::new();
        for (index, Record { at, what }) in records.iter().enumerate() {
            view.take(index, *at, what, &mut open_faults, &mut open_leases);
        }
        view
    }

    fn take(
        &mut self,
        index: usize,
        at: Nanos,
        what: &'a What,
        open_faults: &mut BTreeMap<usize, usize>,
        open_leases: &mut BTreeMap<(u32, u64), usize>,
    ) {
        match what {
            What::Clock { wall_offset } => self.wall_offset = *wall_offset,
            What::Group(group) => self.groups.push(group),
            What::Start {
                life,
                replica,
                group,
                ..
            } => {
                self.lives.insert(
                    *life,
                    Life {
                        replica,
                        group: *group,
                        started: at,
                        killed: None,
                        terminated: None,
                        exit: None,
                        pauses: Vec::new(),
                    },
                );
            }
            What::Signal { life, signal } => {
                if let Some(life) = self.lives.get_mut(life) {
                    life.signalled(at, *signal);
                }
            }
            What::Exit { life, .. } => {
                if let Some(life) = self.lives.get_mut(life) {
                    life.exit = Some(at);
                }
            }
            What::Tick {
                life,
                event,
                tick,
                fence,
                attempt,
            } => {
                let key = (*life, *fence);
                let ended = match event {
                    TickEvent::Started => {
                        let turn = Some((*tick, *attempt));
                        self.began(index, at, *life, *fence, turn, open_leases);
                        return;
                    }
                    TickEvent::Ran | TickEvent::TookOver => Ended::Done,
                    TickEvent::Failed | TickEvent::Unrecorded => Ended::Unconfirmed,
                    TickEvent::HandedOver => Ended::HandedOver,
                    TickEvent::Lost => Ended::Lost,
                    TickEvent::Skipped
                    | TickEvent::Missed
                    | TickEvent::Unavailable
                    | TickEvent::ClockAhead => return,
                };
                if let Some(&lease) = open_leases.get(&key) {
                    let lease = &mut self.leases[lease];
                    if lease.ended == Ended::Unconfirmed {
                        lease.ended = Ended::ConfirmedLate;
                        return;
                    }
                    lease.ended = ended;
                    lease.end = Some((index, at));
                    if ended == Ended::Lost {
                        lease.told = Some(at);
                    }
                }
            }
            What::Hold { life, edge, fence } => match edge {
                Edge::Enter => self.began(index, at, *life, *fence, None, open_leases),
                Edge::Leave => {
                    if let Some(&lease) = open_leases.get(&(*life, *fence)) {
                        let lease = &mut self.leases[lease];
                        lease.end = Some((index, at));
                        if lease.ended == Ended::Silent {
                            lease.ended = Ended::Done;
                        }
                    }
                }
            },
            What::Told { life, fence } => {
                if let Some(&lease) = open_leases.get(&(*life, *fence)) {
                    let lease = &mut self.leases[lease];
                    lease.told = Some(at);
                    lease.ended = Ended::Lost;
                }
            }
            What::Fault {
                number,
                fault,
                phase: Phase::Begin,
                life,
                group,
            } => {
                open_faults.insert(*number, self.faults.len());
                self.faults.push(Injected {
                    fault: *fault,
                    life: *life,
                    group: *group,
                    span: Span {
                        from: at,
                        to: Nanos::MAX,
                    },
                });
            }
            What::Fault { number, .. } => {
                if let Some(open) = open_faults.remove(number) {
                    self.faults[open].span.to = at;
                }
            }
            What::Server {
                state: ServerState::Lost,
            } => self.losses.push(Span {
                from: at,
                to: Nanos::MAX,
            }),
            What::Server {
                state: ServerState::Back,
            } => {
                if let Some(loss) = self.losses.last_mut() {
                    loss.to = loss.to.min(at);
                }
            }
            What::Stall { from } => self.stalls.push(Span {
                from: *from,
                to: at,
            }),
            What::End => self.end = Some(at),
            What::Server { .. }
            | What::Acquire { .. }
            | What::Write { .. }
            | What::Foreign { .. }
            | What::Resources { .. }
            | What::Left { .. } => {}
        }
    }

    fn began(
        &mut self,
        record: usize,
        begin: Nanos,
        life: u32,
        fence: u64,
        turn: Option<(u64, u32)>,
        open: &mut BTreeMap<(u32, u64), usize>,
    ) {
        let Some(group) = self.lives.get(&life).map(|life| life.group) else {
            return;
        };
        open.insert((life, fence), self.leases.len());
        self.leases.push(Lease {
            group,
            life,
            fence,
            turn,
            record,
            begin,
            end: None,
            ended: Ended::Silent,
            told: None,
        });
    }

    /// The leases of one group, in the order in which they began.
    pub(crate) fn leases_of(&self, group: usize) -> impl Iterator<Item = &Lease> {
        self.leases.iter().filter(move |lease| lease.group == group)
    }

    pub(crate) fn tick_groups(&self) -> impl Iterator<Item = &'a Group> {
        self.groups
            .iter()
            .copied()
            .filter(|group| group.kind != Kind::Hammer)
    }

    /// Until when the holder was at work, by its own account, at least.
    pub(crate) fn at_work_until(&self, lease: &Lease) -> Nanos {
        let life = &self.lives[&lease.life];
        let group = self.groups[lease.group];
        let end = lease.end.map(|(_, at)| at);
        let mut until = [end, lease.told, life.killed, life.exit]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Nanos::MAX);
        if lease.turn.is_some() {
            // A tick reports its end when the store has confirmed it: the work was over before.
            until = until.min(lease.begin + group.job_ms * MILLI);
        }
        if lease.turn.is_some() || lease.end.is_none() {
            // Work is dropped at once when its replica is told to stop.
            until = until.min(life.terminated.unwrap_or(Nanos::MAX));
        }
        until.max(lease.begin)
    }

    /// Whether the process, or the machine, was stopped between the grant and `until`.
    pub(crate) fn was_paused(&self, lease: &Lease, until: Nanos) -> bool {
        self.life_was_paused(lease.life, lease.begin.saturating_sub(AFTERMATH), until)
    }

    pub(crate) fn life_was_paused(&self, life: u32, from: Nanos, to: Nanos) -> bool {
        let span = Span { from, to };
        self.lives[&life]
            .pauses
            .iter()
            .any(|pause| pause.meets(span))
            || self.stalls.iter().any(|stall| {
                Span {
                    from: stall.from,
                    to: stall.to + AFTERMATH,
                }
                .meets(span)
            })
    }

    /// Whether the group's store has lost its data in between.
    pub(crate) fn was_lost(&self, group: usize, from: Nanos, to: Nanos) -> bool {
        self.groups[group].backend == Backend::Redis
            && self.losses.iter().any(|loss| loss.meets(Span { from, to }))
    }

    /// Whether the store has lost its data under one of these leases, the later of which began
    /// before `to`. The answer that grants a lease may take as long as a command.
    pub(crate) fn was_lost_under(&self, one: &Lease, other: &Lease, to: Nanos) -> bool {
        let answer = self.groups[one.group].command_timeout_ms * MILLI + AFTERMATH;
        let from = one.begin.min(other.begin).saturating_sub(answer);
        self.was_lost(one.group, from, one.begin.max(other.begin).max(to))
    }

    /// The faults that can matter to a group in this span.
    pub(crate) fn faults_on(&self, group: usize, span: Span) -> impl Iterator<Item = &Injected> {
        self.faults
            .iter()
            .filter(move |fault| fault.span.meets(span) && self.hits(fault, group))
    }

    fn hits(&self, fault: &Injected, group: usize) -> bool {
        match fault.fault.class() {
            Class::Server => self.groups[group].backend == Backend::Redis,
            Class::Key => fault.group == Some(group),
            Class::Replica | Class::Link => fault
                .life
                .and_then(|life| self.lives.get(&life))
                .is_some_and(|life| life.group == group),
        }
    }

    /// When a tick is due, by the clock of the machine.
    pub(crate) fn due(&self, tick: u64) -> Nanos {
        (tick * MILLI).saturating_sub(self.wall_offset)
    }

    pub(crate) fn describe(&self, lease: &Lease) -> String {
        let life = &self.lives[&lease.life];
        let turn = lease
            .turn
            .map(|(tick, attempt)| format!(" tick {tick} attempt {attempt}"))
            .unwrap_or_default();
        format!(
            "{} (life {}) fence {}{turn}",
            life.replica, lease.life, lease.fence
        )
    }

    /// Seconds since the first record, for people.
    pub(crate) fn since_start(&self, at: Nanos) -> f64 {
        let first = self.records.first().map_or(0, |record| record.at);
        at.saturating_sub(first) as f64 / SECOND as f64
    }
}

impl Life<'_> {
    fn signalled(&mut self, at: Nanos, signal: Signal) {
        match signal {
            Signal::Kill => self.killed = Some(at),
            Signal::Term => self.terminated = Some(at),
            Signal::Stop => self.pauses.push(Span {
                from: at,
                to: Nanos::MAX,
            }),
            Signal::Cont => {
                if let Some(pause) = self.pauses.last_mut() {
                    pause.to = at + AFTERMATH;
                }
            }
        }
    }

    /// Alive and running for all of the span.
    pub(crate) fn is_well(&self, span: Span) -> bool {
        let gone = [self.killed, self.terminated, self.exit]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Nanos::MAX);
        self.started <= span.from
            && gone >= span.to
            && !self.pauses.iter().any(|pause| pause.meets(span))
    }
}
