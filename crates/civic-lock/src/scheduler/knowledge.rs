//! What this replica knows of the job in the store, and what it says about it.
//!
//! Every look reads the watermark, the schedules that the job is seen with, and the store's clock.
//! What is wrong with them is reported: see [`Event`].

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;
use crate::scheduler::condition::Condition;
use crate::scheduler::event::Event;
use crate::scheduler::passed_over::PassedOver;
use crate::scheduler::replica::Replica;
use crate::scheduler::tick::Tick;
use crate::store::answer::{Looked, Peeked};
use crate::store::command::{Register, Sight};
use crate::store::sighting::{Fingerprint, Sighting};

/// A wall clock that was set is noticed after this long at the latest.
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(30);
/// What was looked at so long ago is looked at again before a tick is claimed.
const FRESH: Duration = Duration::from_secs(1);
/// A schedule is dropped if it was silent for so long when another one is seen.
const SILENCE: Duration = Duration::from_secs(10 * 60);
/// The own schedule is noted again after this long: often enough that it is never silent.
const SIGHT_AGAIN: Duration = Duration::from_secs(2 * 60);
/// Two schedules are in conflict if both were seen for longer than a deployment takes.
const CONFLICT: Duration = Duration::from_secs(30 * 60);
/// Clocks that differ are reported again after this long.
const REPEAT: Duration = Duration::from_secs(30);
/// How many schedules a process remembers to have named: more than a job ever has at a time.
const MOST_NAMED: usize = 16;
/// What lasts for long is said again after this long.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What this replica knows of the job in the store.
#[derive(Debug)]
pub(super) struct Knowledge {
    own: Fingerprint,
    /// The watermark: this tick and all before it are done.
    pub(super) done: Tick,
    /// The first sight of the own schedule: its ticks after this one are due.
    pub(super) first: Tick,
    /// How often an operator has set the watermark.
    pub(super) generation: u64,
    /// The other schedules that the job is seen with.
    others: Vec<Other>,
    /// Those that this process has named in its log, the latest last.
    named: Vec<Fingerprint>,
    /// When the own schedule was noted last.
    sighted: Option<Instant>,
    /// Whether it was looked for a peer that uses the name without the namespace.
    looked_outside: bool,
    /// When the last look was, and what this replica's clock said then.
    looked: Option<(Instant, Tick)>,
    suspect: Condition,
    watermark_ahead: Condition,
    pub(super) paused: Condition,
}

/// Another schedule that the job is seen with.
#[derive(Debug)]
struct Other {
    sighting: Sighting,
    conflict: Condition,
    passed_over: PassedOver,
}

/// What a look at the job has come to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Look {
    /// The job may be claimed.
    Ready,
    /// An operator has asked for a run.
    Due,
    /// The clocks differ: nothing may be claimed or given up.
    ClockSuspect,
}

impl Knowledge {
    pub(super) fn new(replica: &Replica) -> Self {
        Self {
            own: replica.job.schedule.fingerprint(),
            done: Tick::from_millis(0),
            first: Tick::from_millis(0),
            generation: 0,
            others: Vec::new(),
            named: Vec::new(),
            sighted: None,
            looked_outside: false,
            looked: None,
            suspect: Condition::default(),
            watermark_ahead: Condition::default(),
            paused: Condition::default(),
        }
    }

    /// The instant after which the next tick is looked for.
    pub(super) fn start(&self) -> Tick {
        self.done.max(self.first)
    }

    /// Whether the store knows the job, as far as this replica has heard.
    pub(super) fn is_registered(&self) -> bool {
        self.sighted.is_some()
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.own.clone()
    }

    /// Whether the last look was only a moment ago, by this replica's clock as well: one that was
    /// set since then has to be compared with the store's again.
    pub(super) fn is_fresh(&self, replica: &Replica) -> bool {
        self.looked.is_some_and(|(at, local)| {
            let elapsed = at.elapsed();
            elapsed < FRESH && replica.local_now().distance(local) < elapsed + FRESH
        })
    }

    /// When to look again if nothing happens.
    pub(super) fn next_look(&self, replica: &Replica) -> Instant {
        let period = self.look_period(replica);
        self.looked.map_or_else(Instant::now, |(at, _)| at + period)
    }

    /// How long to wait between two looks if nothing happens. While the job has another schedule,
    /// the replicas of both learn from each other's looks who is still there.
    pub(super) fn look_period(&self, replica: &Replica) -> Duration {
        if self.others.is_empty() {
            MAX_PAUSE
        } else {
            MAX_PAUSE.min(replica.settings.poll_cap)
        }
    }

    /// Asks for another look before the next claim.
    pub(super) fn forget_look(&mut self) {
        self.looked = None;
    }

    /// Believes a watermark that an operator has set, even if it is lower.
    pub(super) fn reset(&mut self, replica: &Replica, generation: u64, done: Tick) {
        self.generation = generation;
        self.done = done;
        self.first = self.first.min(done);
        replica.emit(&Event::Reset { done });
    }

    /// Looks at the job, and registers it if the store does not know it.
    pub(super) async fn look(&mut self, replica: &Replica) -> Result<Look, Error> {
        let peeked = replica.peek().await?;
        let now = Tick::from_millis(peeked.now);
        if replica.is_clock_suspect(now) {
            // Neither the watermark nor the first sight of a schedule may depend on it.
            self.looked = None;
            if self.suspect.is_due(REPEAT) {
                replica.emit(&Event::ClockSuspect {
                    local: replica.local_now(),
                    store: now,
                });
            }
            return Ok(Look::ClockSuspect);
        }
        self.suspect.end();
        self.looked = Some((Instant::now(), replica.local_now()));
        match peeked.done.map(Tick::from_millis) {
            Some(done) if peeked.generation != self.generation && self.done.as_millis() > 0 => {
                self.reset(replica, peeked.generation, done);
            }
            Some(done) => {
                self.generation = peeked.generation;
                self.done = self.done.max(done);
            }
            None => {
                self.generation = peeked.generation;
                self.register(replica, now).await?;
            }
        }
        self.see(replica, &peeked).await?;
        if !self.looked_outside {
            self.look_outside(replica).await;
        }
        self.report_passed_over_of_others(replica).await;
        self.compare_with_clock(replica, now);
        if peeked.paused.is_none() && self.paused.end() {
            replica.emit(&Event::Resumed);
        }
        Ok(match peeked.due {
            Some(_) => Look::Due,
            None => Look::Ready,
        })
    }

    /// Warns, once, of a peer that uses the name of the job without the namespace: the two do not
    /// exclude each other.
    async fn look_outside(&mut self, replica: &Replica) {
        let name = &replica.job.name;
        let holder = replica.leases.store().holder_outside(name).await;
        // An account of the namespace only may not ask, which is no reason not to run.
        self.looked_outside = !holder.as_ref().is_err_and(Error::is_ambiguous);
        if let Ok(Some(holder)) = holder {
            tracing::warn!(
                job = %name,
                holder,
                "a peer without this namespace holds lock:{name}, and may run the same job: it has \
                 to use the key of the namespace, lock:<namespace>:{name}"
            );
        }
    }

    /// Registers what is known to be done. For a job that no one has seen it is the latest tick
    /// that is in the past *by the store's clock*, so that a replica whose clock is ahead cannot
    /// declare done what is not even due.
    pub(super) async fn register(&mut self, replica: &Replica, now: Tick) -> Result<(), Error> {
        let job = &replica.job;
        let done = match self.done.as_millis() {
            0 => job.schedule.latest_at_or_before(now).unwrap_or(now),
            _ => self.done,
        };
        // A store that has lost its data does not know that the schedule is newer than what was
        // done before. Nor does this replica, if it has only read the watermark until then.
        let first = match (self.done.as_millis(), self.first.as_millis()) {
            (0, _) => done,
            (_, 0) => now,
            (_, _) => self.first,
        };
        let register = Register {
            done: done.as_millis(),
            retain: job.retain_of(done),
            schedule: Some(self.own.clone()),
            first: first.as_millis(),
        };
        let registered = replica.leases.store().run(&job.name, register).await?;
        // Another replica may have registered it first, and may have claimed a tick since: the next
        // look says what is done for good.
        self.done = self.done.max(done.min(Tick::from_millis(registered)));
        self.sighted = None;
        Ok(())
    }

    /// Notes the own schedule when it is time, and reports what the others are about.
    async fn see(&mut self, replica: &Replica, peeked: &Peeked) -> Result<(), Error> {
        let known = peeked
            .schedules
            .iter()
            .find(|seen| seen.fingerprint == self.own);
        if let Some(own) = known {
            self.first = Tick::from_millis(own.first);
        }
        let again = if self.others.is_empty() {
            SIGHT_AGAIN
        } else {
            FRESH
        };
        let noted = self.sighted.is_some_and(|at| at.elapsed() < again);
        if known.is_some() && noted {
            self.compare(replica, &peeked.schedules, peeked.now);
            return Ok(());
        }
        let job = &replica.job;
        let sight = Sight {
            schedule: self.own.clone(),
            silence: SILENCE.max(2 * replica.settings.poll_cap),
            retain: job.retain_of(self.done),
        };
        if let Looked::Sighted(sighted) = replica.leases.store().run(&job.name, sight).await? {
            self.sighted = Some(Instant::now());
            self.first = Tick::from_millis(sighted.first);
            for dropped in sighted.dropped {
                replica.emit(&Event::Rescheduled {
                    before: dropped.fingerprint.as_str().into(),
                });
            }
            self.compare(replica, &sighted.kept, peeked.now);
        }
        Ok(())
    }

    /// Reports another schedule of the job: at its first sight, and daily if it does not go away.
    fn compare(&mut self, replica: &Replica, seen: &[Sighting], now: u64) {
        let mut before = std::mem::take(&mut self.others);
        let own = self.own.clone();
        for sighting in seen.iter().filter(|seen| seen.fingerprint != own) {
            let known = before
                .iter()
                .position(|other| other.sighting.fingerprint == sighting.fingerprint);
            let mut other = match known {
                Some(at) => before.swap_remove(at),
                None => Other {
                    sighting: sighting.clone(),
                    conflict: Condition::default(),
                    passed_over: PassedOver::default(),
                },
            };
            self.name(replica, &sighting.fingerprint);
            other.sighting = sighting.clone();
            let together = sighting
                .last
                .saturating_sub(sighting.first.max(self.first.as_millis()));
            let silent = Duration::from_millis(now.saturating_sub(sighting.last)) > SILENCE;
            if Duration::from_millis(together) > CONFLICT && !silent && other.conflict.is_due(DAY) {
                replica.emit(&Event::ConflictingSchedules {
                    other: sighting.fingerprint.as_str().into(),
                });
            }
            self.others.push(other);
        }
    }

    /// Says in the log that the job has another schedule, once per process: the store may forget
    /// the schedule, and see it again.
    fn name(&mut self, replica: &Replica, other: &Fingerprint) {
        if self.named.contains(other) {
            return;
        }
        if self.named.len() >= MOST_NAMED {
            self.named.remove(0);
        }
        self.named.push(other.clone());
        let job = &replica.job.name;
        tracing::warn!(
            %job,
            own = self.own.as_str(),
            other = other.as_str(),
            "job {job} also has the schedule {:?}; that is expected while a deployment rolls, and \
             otherwise two services share the name",
            other.as_str()
        );
    }

    /// Reports a watermark that lies in the future: nothing runs until the clock gets there.
    fn compare_with_clock(&mut self, replica: &Replica, now: Tick) {
        let interval = replica.job.interval_at(now);
        let limit = replica.settings.max_skew.saturating_add(interval);
        if now.until(self.done) <= limit {
            self.watermark_ahead.end();
        } else if self.watermark_ahead.is_due(DAY) {
            replica.emit(&Event::WatermarkAhead {
                done: self.done,
                now,
            });
        }
    }

    /// Notes that a claim of `tick` passes over the instants of other schedules that lie between it
    /// and the watermark: no replica can claim them any more. Whether one would have is known when
    /// that schedule is seen again, or is forgotten.
    pub(super) fn pass_over_others(&mut self, watermark: Tick, tick: Tick) {
        for other in &mut self.others {
            let from = watermark.max(Tick::from_millis(other.sighting.first));
            other.passed_over.add(from, tick);
        }
    }

    /// Reports the instants of other schedules that were passed over here, up to the last sight of
    /// each: a replica was there for them. An instant after it was no one's, unless the schedule is
    /// seen again.
    async fn report_passed_over_of_others(&mut self, replica: &Replica) {
        let mut missed = Vec::new();
        for other in &mut self.others {
            let last = Tick::from_millis(other.sighting.last);
            let fingerprint = other.sighting.fingerprint.as_str();
            missed.extend(other.passed_over.until(last, fingerprint));
        }
        for event in missed {
            replica.emit(&event);
            replica.remember(&event).await;
        }
    }

    /// Reports at shutdown what only this replica knows: the instants of other schedules that it
    /// has passed over, up to the last sight of each.
    pub(super) async fn report_before_shutdown(&mut self, replica: &Replica) {
        if self.others.iter().all(|other| other.passed_over.is_empty()) {
            return;
        }
        let Ok(peeked) = replica.peek().await else {
            return;
        };
        self.compare(replica, &peeked.schedules, peeked.now);
        self.report_passed_over_of_others(replica).await;
    }
}
