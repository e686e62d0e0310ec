//! A history in order: which replica held what and when, and which fault hit which.

use std::collections::BTreeMap;

use super::injected::Injected;
use super::lease::{Ended, Lease};
use super::life::Life;
use super::loss::{Extent, Losses};
use super::span::{AFTERMATH, Span};
use crate::fault::{Class, Fault};
use crate::history::{Edge, Group, Kind, MILLI, Phase, Record, SECOND, TickEvent, What};

/// A history in order.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) records: &'a [Record],
    pub(crate) wall_offset: u64,
    pub(crate) groups: Vec<&'a Group>,
    pub(crate) lives: BTreeMap<u32, Life<'a>>,
    /// The leases, in the order in which they began.
    pub(crate) leases: Vec<Lease>,
    pub(crate) faults: Vec<Injected>,
    /// The spans in which the server lost data and had not answered yet.
    pub(crate) losses: Losses,
    pub(crate) stalls: Vec<Span>,
    /// The spans in which a server did not answer the driver.
    pub(crate) slow: Vec<Span>,
    /// When a replica said that the store did not answer it, and which one.
    pub(crate) troubles: Vec<(u64, u32)>,
    /// The instant at which all replicas were told to stop.
    pub(crate) end: Option<u64>,
}

// ===== impl View =====

impl<'a> View<'a> {
    pub(crate) fn new(records: &'a [Record]) -> Self {
        let mut view = Self {
            records,
            wall_offset: 0,
            groups: Vec::new(),
            lives: BTreeMap::new(),
            leases: Vec::new(),
            faults: Vec::new(),
            losses: Losses::default(),
            stalls: Vec::new(),
            slow: Vec::new(),
            troubles: Vec::new(),
            end: None,
        };
        let mut open_faults = BTreeMap::new();
        let mut open_leases = BTreeMap::new();
        for (index, Record { at, what }) in records.iter().enumerate() {
            view.apply(index, *at, what, &mut open_faults, &mut open_leases);
        }
        view
    }

    fn apply(
        &mut self,
        index: usize,
        at: u64,
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
                deployment,
                interval_ms,
                version,
                ..
            } => {
                self.lives.insert(
                    *life,
                    Life {
                        replica,
                        group: *group,
                        deployment: *deployment,
                        interval_ms: *interval_ms,
                        version: *version,
                        other_schedules: 0,
                        unsafe_servers: 0,
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
            What::Logged {
                life,
                other_schedules,
                unsafe_servers,
            } => {
                if let Some(life) = self.lives.get_mut(life) {
                    life.other_schedules = *other_schedules;
                    life.unsafe_servers = *unsafe_servers;
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
                if matches!(event, TickEvent::Unavailable | TickEvent::Unrecorded) {
                    self.troubles.push((at, *life));
                }
                let ended = match event {
                    TickEvent::Started => {
                        let tick_attempt = Some((*tick, *attempt));
                        self.began(index, at, *life, *fence, tick_attempt, open_leases);
                        return;
                    }
                    TickEvent::Ran | TickEvent::TookOver => Ended::Done,
                    TickEvent::Failed | TickEvent::Unrecorded => Ended::Unconfirmed,
                    TickEvent::HandedOver => Ended::HandedOver,
                    TickEvent::Lost => Ended::Lost,
                    TickEvent::Skipped
                    | TickEvent::Missed
                    | TickEvent::DeadLetter
                    | TickEvent::RanByPeer
                    | TickEvent::Unavailable
                    | TickEvent::ClockAhead
                    | TickEvent::ClockSuspect => return,
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
                        to: u64::MAX,
                    },
                });
            }
            What::Fault { number, .. } => {
                if let Some(open) = open_faults.remove(number) {
                    self.faults[open].span.to = at;
                }
            }
            What::Server { state, groups } => {
                self.losses.apply(at, *state, groups.as_deref());
            }
            What::Stall { from } => self.stalls.push(Span {
                from: *from,
                to: at,
            }),
            What::Slow { from } => self.slow.push(Span {
                from: *from,
                to: at,
            }),
            What::End => self.end = Some(at),
            What::Acquire { .. }
            | What::Write { .. }
            | What::Written { .. }
            | What::Crowd { .. }
            | What::Foreign { .. }
            | What::Operator { .. }
            | What::Resources { .. }
            | What::Left { .. } => {}
        }
    }

    fn began(
        &mut self,
        record: usize,
        begin: u64,
        life: u32,
        fence: u64,
        tick_attempt: Option<(u64, u32)>,
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
            tick_attempt,
            record,
            begin,
            end: None,
            ended: Ended::Silent,
            told: None,
        });
    }

    /// Returns the leases of one group, in the order in which they began.
    pub(crate) fn leases_of(&self, group: usize) -> impl Iterator<Item = &Lease> {
        self.leases.iter().filter(move |lease| lease.group == group)
    }

    pub(crate) fn tick_groups(&self) -> impl Iterator<Item = &'a Group> {
        self.groups
            .iter()
            .copied()
            .filter(|group| !matches!(group.kind, Kind::Candidate | Kind::Hammer | Kind::Crowd))
    }

    /// Returns the instant until which the holder was at work, by its own account, at least.
    pub(crate) fn at_work_until(&self, lease: &Lease) -> u64 {
        let life = &self.lives[&lease.life];
        let group = self.groups[lease.group];
        let end = lease.end.map(|(_, at)| at);
        let mut until = [end, lease.told, life.killed, life.exit]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(u64::MAX);
        if lease.tick_attempt.is_some() {
            // A tick reports its end when the store has confirmed it: the work was over before.
            until = until.min(lease.begin + group.job_ms * MILLI);
        }
        if lease.tick_attempt.is_some() || lease.end.is_none() {
            // Work is dropped at once when its replica is told to stop.
            until = until.min(life.terminated.unwrap_or(u64::MAX));
        }
        until.max(lease.begin)
    }

    /// Returns whether the process, or the machine, was stopped between the grant and `until`.
    pub(crate) fn was_paused(&self, lease: &Lease, until: u64) -> bool {
        self.life_was_paused(lease.life, lease.begin.saturating_sub(AFTERMATH), until)
    }

    pub(crate) fn life_was_paused(&self, life: u32, from: u64, to: u64) -> bool {
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

    /// Returns whether the group's store has lost all its data in between.
    pub(crate) fn was_lost(&self, group: usize, from: u64, to: u64) -> bool {
        self.has_loss(Extent::All, group, Span { from, to })
    }

    /// Returns whether a failover may have undone what the group's store wrote for the records of
    /// this span. An answer may take as long as a command, and come after the write was undone.
    pub(crate) fn was_undone(&self, group: usize, from: u64, to: u64) -> bool {
        let from = from.saturating_sub(self.answer(group));
        self.has_loss(Extent::Latest, group, Span { from, to })
    }

    fn has_loss(&self, extent: Extent, group: usize, span: Span) -> bool {
        self.groups[group].backend.is_main() && self.losses.hit(extent, group, span)
    }

    /// Returns how long an answer of the store may take to be recorded.
    fn answer(&self, group: usize) -> u64 {
        self.groups[group].command_timeout_ms * MILLI + AFTERMATH
    }

    /// Returns whether the store has lost the data under one of these leases: all of it at any time
    /// until `to`, and not before the later one began; or what was written for one of them, up to
    /// `to` for the first and up to its begin for the other.
    pub(crate) fn was_lost_under(&self, one: &Lease, other: &Lease, to: u64) -> bool {
        let from = one.begin.min(other.begin);
        let all_from = from.saturating_sub(self.answer(one.group));
        self.was_lost(one.group, all_from, one.begin.max(other.begin).max(to))
            || self.was_undone(one.group, one.begin, to.max(one.begin))
            || self.was_undone(other.group, other.begin, other.begin)
    }

    /// Returns whether the watermark of the group was deleted in between.
    pub(crate) fn was_forgotten(&self, group: usize, from: u64, to: u64) -> bool {
        self.faults_on(group, Span { from, to })
            .any(|fault| fault.fault == Fault::ForgetTicks)
    }

    /// Returns whether the watermark was deleted since one of these leases was granted.
    pub(crate) fn was_forgotten_under(&self, one: &Lease, other: &Lease) -> bool {
        let from = one.begin.min(other.begin);
        let from = from.saturating_sub(self.answer(one.group));
        self.was_forgotten(one.group, from, one.begin.max(other.begin))
    }

    /// Returns the faults that can matter to a group in this span.
    pub(crate) fn faults_on(&self, group: usize, span: Span) -> impl Iterator<Item = &Injected> {
        self.faults
            .iter()
            .filter(move |fault| fault.span.meets(span) && self.hits(fault, group))
    }

    fn hits(&self, fault: &Injected, group: usize) -> bool {
        match fault.fault.class() {
            Class::Server => self.groups[group].backend.is_main(),
            Class::Key | Class::Work | Class::Clock | Class::Deployment | Class::Version => {
                fault.group == Some(group)
            }
            Class::Replica | Class::Link => fault
                .life
                .and_then(|life| self.lives.get(&life))
                .is_some_and(|life| life.group == group),
        }
    }

    /// Returns the instant at which a tick is due, by the clock of the machine.
    pub(crate) fn due(&self, tick: u64) -> u64 {
        (tick * MILLI).saturating_sub(self.wall_offset)
    }

    pub(crate) fn describe(&self, lease: &Lease) -> String {
        let life = &self.lives[&lease.life];
        let tick_attempt = lease
            .tick_attempt
            .map(|(tick, attempt)| format!(" tick {tick} attempt {attempt}"))
            .unwrap_or_default();
        format!(
            "{} (life {}) fence {}{tick_attempt}",
            life.replica, lease.life, lease.fence
        )
    }

    /// Returns the seconds since the first record.
    pub(crate) fn since_start(&self, at: u64) -> f64 {
        let first = self.records.first().map_or(0, |record| record.at);
        at.saturating_sub(first) as f64 / SECOND as f64
    }
}
