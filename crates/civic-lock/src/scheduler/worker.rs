//! One job on one replica: waits for its ticks, claims them, executes them.
//!
//! The worker waits for the *oldest tick that it does not know to be done*. When that tick is due
//! by its clock it claims it, or a later one that is due too, as the job's [`Coalesce`] says. It
//! stays with it until it is done, on whichever replica: a replica that loses a claim stands by for
//! the takeover. What the store answers decides:
//!
//! | answer | what follows |
//! |---|---|
//! | granted, the tick or an earlier one | execute it, unless it was begun too often; the replica that claims it first reports the ticks that it has passed over |
//! | already done | go on to the oldest tick after the watermark |
//! | running elsewhere | wait for a hint, or for the ttl of the holder, and claim again |
//! | past its grace | give it up, and every further tick that was not claimed within its grace; the replica that moves the watermark over them reports them |
//! | the tick lies in the store's future | wait |
//! | no answer | wait, a little longer each time |
//!
//! [`Coalesce`]: crate::Coalesce

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::Delivery;
use crate::error::Error;
use crate::lease::guard::LeaseGuard;
use crate::scheduler::coalesce::Choice;
use crate::scheduler::condition::Condition;
use crate::scheduler::event::{Attempt, Event};
use crate::scheduler::execute::{Execution, Occasion, execute, finished};
use crate::scheduler::knowledge::{Knowledge, Look, MAX_PAUSE};
use crate::scheduler::misfire::{Reason, give_up, give_up_unclaimed, report_passed_over};
use crate::scheduler::on_demand::run_due;
use crate::scheduler::peer_run;
use crate::scheduler::replica::{Outage, Replica, Stopped};
use crate::scheduler::run::Work;
use crate::scheduler::tick::Tick;
use crate::store::answer::Claimed;
use crate::store::command::{ClaimRequest, ClaimTerms, ClockTerms};
use crate::store::hints::Hints;
use crate::timing::jitter;

/// A hint leads to a look after this long at the latest, and not to one per hint.
const HINT_DELAY: Duration = Duration::from_secs(1);
/// A replica that stands by looks at the next tick when it is due, but not more often than this.
const MIN_STANDBY: Duration = Duration::from_millis(250);
/// What standing by adds to the ttl of the holder, so that replicas do not come all at once.
const MAX_JITTER: Duration = Duration::from_millis(250);

/// One job on one replica.
pub(super) struct JobWorker {
    pub(super) replica: Replica,
    pub(super) work: Work,
}

impl JobWorker {
    /// Runs the job until the replica shuts down. Everything that was held is given back by then.
    pub(super) async fn run(self) {
        let mut known = Knowledge::new(&self.replica);
        let Err(Stopped) = self.run_loop(&mut known).await;
        known.report_before_shutdown(&self.replica).await;
    }

    async fn run_loop(&self, known: &mut Knowledge) -> Result<Infallible, Stopped> {
        let mut hints = self.replica.leases.store().hints(&self.replica.job.name);
        loop {
            let next = self.next_due(known, &mut hints).await?;
            self.resolve_tick(next, known, &mut hints).await?;
        }
    }

    /// Waits until the oldest tick that is not known to be done is due, and its jitter is over.
    /// Runs what an operator asks for meanwhile.
    async fn next_due(&self, known: &mut Knowledge, hints: &mut Hints) -> Result<Tick, Stopped> {
        let replica = &self.replica;
        let job = &replica.job;
        let mut outage = Outage::default();
        let mut ended = Condition::default();
        let mut look_at = known.next_look(replica);
        loop {
            if look_at <= Instant::now() {
                let looked = known.look(replica).await;
                look_at = Instant::now() + known.look_period(replica);
                match looked {
                    Ok(Look::Ready) => outage = Outage::default(),
                    Ok(Look::Due) => {
                        run_due(replica, &self.work, hints, &mut outage).await?;
                        known.forget_look();
                        look_at = Instant::now();
                        continue;
                    }
                    Ok(Look::ClockSuspect) => {
                        replica.pause(replica.settings.poll_cap, None).await?;
                        look_at = Instant::now();
                        continue;
                    }
                    // What is known holds for a while; without anything there is no tick.
                    Err(cause) => {
                        let pause = replica.report_unavailable(None, cause, &mut outage);
                        look_at = Instant::now() + pause;
                        if !known.is_registered() {
                            replica.pause(pause, None).await?;
                            continue;
                        }
                    }
                }
            }
            let Some(next) = job.schedule.next_after(known.start()) else {
                if ended.is_due(Duration::MAX) {
                    replica.emit(&Event::Ended);
                }
                self.rest(MAX_PAUSE, &mut look_at, hints).await?;
                continue;
            };
            let now = replica.now();
            let left = now.until(next) + job.delay_of(next).saturating_sub(next.until(now));
            if left.is_zero() {
                return Ok(next);
            }
            self.rest(left.min(MAX_PAUSE), &mut look_at, hints).await?;
        }
    }

    /// Waits for this long. A hint may tell of a run that an operator has asked for: the next look
    /// is then due soon.
    async fn rest(
        &self,
        pause: Duration,
        look_at: &mut Instant,
        hints: &mut Hints,
    ) -> Result<(), Stopped> {
        let until = Instant::now() + pause;
        let pause = look_at.saturating_duration_since(Instant::now()).min(pause);
        self.replica.pause(pause, Some(hints)).await?;
        if Instant::now() < until {
            *look_at = (*look_at).min(Instant::now() + HINT_DELAY);
        }
        Ok(())
    }

    /// Stays with the ticks that are due, from `next` on, until one of them is done.
    async fn resolve_tick(
        &self,
        next: Tick,
        known: &mut Knowledge,
        hints: &mut Hints,
    ) -> Result<(), Stopped> {
        let replica = &self.replica;
        let job = &replica.job.name;
        let mut outage = Outage::default();
        let mut ahead = Outage::default();
        // Our own run whose record was not confirmed.
        let mut unrecorded: Option<Attempt> = None;
        loop {
            if !known.is_fresh(replica) {
                match known.look(replica).await {
                    Ok(Look::Ready | Look::Due) => {}
                    Ok(Look::ClockSuspect) => return Ok(()),
                    Err(cause) => {
                        let pause = replica.report_unavailable(Some(next), cause, &mut outage);
                        replica.pause(pause, Some(hints)).await?;
                        continue;
                    }
                }
            }
            if replica.job.schedule.next_after(known.start()) != Some(next) {
                // It is done elsewhere, or an operator has set the watermark.
                if known.done >= next {
                    self.report_done(next, known.done, unrecorded);
                }
                return Ok(());
            }
            let latest = replica.job.latest_due(next, replica.now());
            let tick = match replica.job.coalesce.choose(next, latest) {
                Choice::Claim(tick) => tick,
                Choice::GiveUp(last) => {
                    let range = (known.done, last);
                    let reached = give_up(replica, known, range, Reason::Missed).await?;
                    if reached > known.done {
                        known.done = reached;
                        return Ok(());
                    }
                    // A tick was begun and not done: that one comes first.
                    next
                }
            };
            let asked = Instant::now();
            let pause = match self.claim(tick, known).await {
                Ok(Claimed::Granted {
                    lease: guard,
                    tick,
                    attempt,
                    handed_over,
                    done: watermark,
                }) => {
                    tracing::debug!(%job, tick, attempt, watermark, "claimed");
                    let attempt = Attempt {
                        tick: Tick::from_millis(tick),
                        fence: guard.lease().fence(),
                        number: attempt,
                        lateness: Duration::ZERO,
                        took: Duration::ZERO,
                    };
                    if replica.stop.is_cancelled() {
                        // It has not begun, so it is as if it had not been claimed.
                        let _ = guard.unclaim().await;
                        return Err(Stopped);
                    }
                    let watermark = Tick::from_millis(watermark);
                    if attempt.number == 1 {
                        report_passed_over(replica, known, watermark, attempt.tick).await;
                    }
                    if let Some(earlier) = unrecorded.take_if(|own| own.tick <= watermark) {
                        replica.emit(&finished(earlier));
                    }
                    let occasion = Occasion::Scheduled {
                        generation: known.generation,
                        handed_over,
                    };
                    match execute(replica, &self.work, guard, attempt, occasion).await? {
                        Execution::Done => {
                            known.done = known.done.max(attempt.tick);
                            return Ok(());
                        }
                        Execution::Open if replica.job.delivery == Delivery::AtMostOnce => {
                            // The claim has moved the watermark. Should the store forget that,
                            // this replica does not begin the tick again.
                            known.done = known.done.max(attempt.tick);
                        }
                        Execution::Open => {}
                        Execution::Unrecorded(own) => unrecorded = Some(own),
                    }
                    Duration::ZERO
                }
                Ok(Claimed::AlreadyDone { done }) => {
                    known.done = known.done.max(Tick::from_millis(done));
                    self.report_done(tick, known.done, unrecorded);
                    return Ok(());
                }
                Ok(Claimed::RanByPeer { holder, ttl, tick }) => {
                    let (tick, holder) = (Tick::from_millis(tick), Arc::from(holder));
                    let watermark = known.done;
                    report_passed_over(replica, known, watermark, tick).await;
                    known.done = known.done.max(tick);
                    let ends = ttl.map(|ttl| asked + ttl);
                    return peer_run::watch(replica, tick, holder, ends).await;
                }
                Ok(Claimed::Unscheduled { first }) => {
                    known.first = Tick::from_millis(first);
                    known.forget_look();
                    return Ok(());
                }
                Ok(Claimed::ClockSuspect { now }) => {
                    tracing::debug!(%job, store_now = now, "the clocks differ too much");
                    // The next look reports it.
                    known.forget_look();
                    return Ok(());
                }
                Ok(Claimed::Paused { since }) => {
                    if known.paused.is_due(Duration::MAX) {
                        let since = Tick::from_millis(since);
                        replica.emit(&Event::Paused { since });
                    }
                    known.forget_look();
                    // A run on demand is not paused.
                    replica
                        .pause(replica.settings.poll_cap, Some(hints))
                        .await?;
                    return Ok(());
                }
                Ok(Claimed::Reset { generation, done }) => {
                    known.reset(replica, generation, Tick::from_millis(done));
                    return Ok(());
                }
                Ok(Claimed::Running {
                    holder,
                    ttl,
                    tick: running,
                }) => {
                    tracing::debug!(%job, tick = running, holder, ?ttl, "standing by");
                    self.standby(tick, ttl)
                }
                Ok(Claimed::Exhausted { tick, done }) => {
                    let range = (Tick::from_millis(done), Tick::from_millis(tick));
                    known.done = give_up(replica, known, range, Reason::Exhausted).await?;
                    MIN_STANDBY
                }
                Ok(Claimed::TooLate { tick, done }) => {
                    let missed = Tick::from_millis(tick);
                    let range = (Tick::from_millis(done), missed);
                    let reached = give_up(replica, known, range, Reason::Missed).await?;
                    if reached >= missed {
                        known.done = give_up_unclaimed(replica, known, reached).await?;
                        return Ok(());
                    }
                    // Another replica has claimed it meanwhile, or is about to release it.
                    MIN_STANDBY
                }
                Ok(Claimed::ClockAhead { now }) => {
                    let by = Tick::from_millis(now).until(tick);
                    if ahead.is_new() {
                        replica.emit(&Event::ClockAhead { tick, by });
                    }
                    by.saturating_sub(replica.settings.max_skew)
                        .clamp(Duration::from_millis(10), replica.settings.poll_cap)
                }
                // What we know to be done need not run again.
                Ok(Claimed::Unregistered { now }) => {
                    tracing::warn!(
                        %job,
                        done = %known.done,
                        store_now = now,
                        "the lock store has lost its data: the watermark is registered again"
                    );
                    known.forget_look();
                    Duration::ZERO
                }
                Err(cause) => replica.report_unavailable(Some(tick), cause, &mut outage),
            };
            replica.pause(pause, Some(hints)).await?;
        }
    }

    /// Reports a tick that is done: by this replica, if its own record was not confirmed and has
    /// arrived, or by another one.
    fn report_done(&self, tick: Tick, done: Tick, unrecorded: Option<Attempt>) {
        self.replica.emit(&match unrecorded {
            Some(own) if own.tick <= done => finished(own),
            _ => Event::Skipped { tick },
        });
    }

    async fn claim(&self, tick: Tick, known: &Knowledge) -> Result<Claimed<LeaseGuard>, Error> {
        let Replica {
            job,
            ttl,
            leases,
            settings,
            ..
        } = &self.replica;
        let request = ClaimRequest {
            tick: tick.as_millis(),
            grace: job.grace_of(tick),
            delivery: job.delivery,
            max_skew: settings.max_skew,
            retain: job.retain_of(tick),
        };
        let clock = ClockTerms {
            local: self.replica.local_now().as_millis(),
            most: self.replica.max_difference().as_millis() as u64,
        };
        let terms = ClaimTerms {
            clock: Some(clock),
            generation: Some(known.generation),
            schedule: Some(known.fingerprint()),
            attempts: Some(job.attempt_limit()),
            peers: peer_run::terms(job, tick, settings.max_skew),
        };
        leases.claim(&job.name, *ttl, request, terms).await
    }

    /// How long to stand by for a tick that another replica runs.
    fn standby(&self, tick: Tick, ttl: Option<Duration>) -> Duration {
        let now = self.replica.now();
        let following = self
            .replica
            .job
            .schedule
            .next_after(tick)
            .map_or(Duration::MAX, |next| now.until(next));
        let jitter = jitter(MAX_JITTER.min(self.replica.ttl.get() / 10));
        ttl.unwrap_or(Duration::MAX)
            .min(self.replica.settings.poll_cap)
            .min(following.max(MIN_STANDBY))
            + jitter
    }
}
