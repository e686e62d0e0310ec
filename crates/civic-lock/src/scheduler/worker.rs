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
use std::time::Duration;

use crate::error::Error;
use crate::lease::guard::LeaseGuard;
use crate::scheduler::coalesce::Choice;
use crate::scheduler::event::{Attempt, Event};
use crate::scheduler::execute::{Execution, bury, execute, finished};
use crate::scheduler::misfire::{give_up, give_up_unclaimed, report_passed_over};
use crate::scheduler::replica::{Outage, Replica, Stopped};
use crate::scheduler::run::Work;
use crate::scheduler::tick::Tick;
use crate::store::answer::Claimed;
use crate::store::command::{ClaimRequest, ClaimTerms, Register};
use crate::store::hints::Hints;
use crate::timing::jitter;

/// A wall clock that was set is noticed after this long at the latest.
const MAX_PAUSE: Duration = Duration::from_secs(30);
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
        let Err(Stopped) = self.run_loop().await;
    }

    async fn run_loop(&self) -> Result<Infallible, Stopped> {
        let job = &self.replica.job;
        let mut hints = self.replica.leases.store().hints(&job.name);
        let mut done = self.first_watermark().await?;
        while let Some(next) = job.schedule.next_after(done) {
            self.wait_until(next, job.delay_of(next)).await?;
            done = done.max(self.resolve_tick(next, done, &mut hints).await?);
        }
        self.replica.emit(&Event::Ended);
        loop {
            self.replica.pause(Duration::MAX, None).await?;
        }
    }

    /// Where to begin: the store's watermark. For a job that the store has never seen it is the
    /// latest tick that is in the past *by the store's clock*, so that a replica whose clock is
    /// ahead cannot declare done what is not even due.
    async fn first_watermark(&self) -> Result<Tick, Stopped> {
        let mut outage = Outage::default();
        loop {
            match self.read_watermark().await {
                Ok(done) => return Ok(done),
                Err(cause) => {
                    let pause = self.replica.report_unavailable(None, cause, &mut outage);
                    self.replica.pause(pause, None).await?;
                }
            }
        }
    }

    async fn read_watermark(&self) -> Result<Tick, Error> {
        let peeked = self.replica.peek().await?;
        if let Some(done) = peeked.done {
            return Ok(Tick::from_millis(done));
        }
        let now = Tick::from_millis(peeked.now);
        let latest = self.replica.job.schedule.latest_at_or_before(now);
        self.register(latest.unwrap_or(now)).await
    }

    async fn register(&self, done: Tick) -> Result<Tick, Error> {
        let job = &self.replica.job;
        let register = Register {
            done: done.as_millis(),
            retain: job.retain_of(done),
            schedule: None,
        };
        let store = self.replica.leases.store();
        let done = store.run(&job.name, register).await?;
        Ok(Tick::from_millis(done))
    }

    /// Waits until the tick is due, and its jitter is over.
    async fn wait_until(&self, tick: Tick, delay: Duration) -> Result<(), Stopped> {
        loop {
            if self.replica.clock_offset.is_due() {
                // Without an answer the last one holds; the claim will tell what is wrong.
                let _ = self.replica.peek().await;
            }
            let now = self.replica.now();
            let waited = tick.until(now);
            let left = now.until(tick) + delay.saturating_sub(waited);
            if left.is_zero() {
                return Ok(());
            }
            self.replica.pause(left.min(MAX_PAUSE), None).await?;
        }
    }

    /// Stays with the ticks that are due, from `next` on, until one of them is done. Returns the
    /// watermark.
    async fn resolve_tick(
        &self,
        next: Tick,
        done: Tick,
        hints: &mut Hints,
    ) -> Result<Tick, Stopped> {
        let replica = &self.replica;
        let job = &replica.job.name;
        let mut outage = Outage::default();
        let mut ahead = Outage::default();
        // Our own run whose record was not confirmed.
        let mut unrecorded: Option<Attempt> = None;
        loop {
            let latest = replica.job.latest_due(next, replica.now());
            let tick = match replica.job.coalesce.choose(next, latest) {
                Choice::Claim(tick) => tick,
                Choice::GiveUp(last) => {
                    let reached = give_up(replica, done, last).await?;
                    if reached > done {
                        return Ok(reached);
                    }
                    // A tick was begun and not done: that one comes first.
                    next
                }
            };
            let pause = match self.claim(tick).await {
                Ok(Claimed::Granted {
                    lease: guard,
                    tick,
                    attempt,
                    done: watermark,
                }) => {
                    tracing::debug!(%job, tick, attempt, watermark, "claimed");
                    let attempt = Attempt {
                        tick: Tick::from_millis(tick),
                        fence: guard.lease().fence(),
                        number: attempt,
                    };
                    if replica.stop.is_cancelled() {
                        // It has not begun, so it is as if it had not been claimed.
                        let _ = guard.unclaim().await;
                        return Err(Stopped);
                    }
                    if attempt.number == 1 {
                        let last = Tick::from_millis(tick.saturating_sub(1));
                        report_passed_over(replica, Tick::from_millis(watermark), last).await;
                    }
                    if let Some(earlier) =
                        unrecorded.take_if(|earlier| earlier.tick.as_millis() <= watermark)
                    {
                        replica.emit(&finished(earlier));
                    }
                    let execution = if attempt.number > replica.job.attempt_limit() {
                        bury(replica, guard, attempt).await
                    } else {
                        Ok(execute(replica, &self.work, guard, attempt).await?)
                    };
                    match execution {
                        Ok(Execution::Done) => return Ok(attempt.tick),
                        Ok(Execution::Open) => Duration::ZERO,
                        Ok(Execution::Unrecorded) => {
                            unrecorded = Some(attempt);
                            Duration::ZERO
                        }
                        Err(cause) => {
                            replica.report_unavailable(Some(attempt.tick), cause, &mut outage)
                        }
                    }
                }
                Ok(Claimed::AlreadyDone { done }) => {
                    replica.emit(&match unrecorded {
                        Some(attempt) if attempt.tick <= Tick::from_millis(done) => {
                            finished(attempt)
                        }
                        _ => Event::Skipped { tick },
                    });
                    return Ok(Tick::from_millis(done));
                }
                // Asked for by terms only, but for the pause.
                Ok(
                    Claimed::RanByPeer { tick: done, .. }
                    | Claimed::Unscheduled { first: done }
                    | Claimed::Reset { done, .. },
                ) => return Ok(Tick::from_millis(done)),
                Ok(Claimed::Exhausted { tick, done }) => {
                    let (done, tick) = (Tick::from_millis(done), Tick::from_millis(tick));
                    return give_up(replica, done, tick).await;
                }
                Ok(Claimed::Paused { since }) => {
                    tracing::debug!(%job, since, "paused");
                    replica.settings.poll_cap
                }
                Ok(Claimed::Running {
                    holder,
                    ttl,
                    tick: running,
                }) => {
                    tracing::debug!(%job, tick = running, holder, ?ttl, "standing by");
                    self.standby(tick, ttl)
                }
                Ok(Claimed::TooLate { tick, done }) => {
                    let missed = Tick::from_millis(tick);
                    let reached = give_up(replica, Tick::from_millis(done), missed).await?;
                    if reached >= missed {
                        return give_up_unclaimed(replica, reached).await;
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
                        %done,
                        store_now = now,
                        "the lock store has lost its data: the watermark is registered again"
                    );
                    match self.register(done).await {
                        Ok(done) if done >= next => return Ok(done),
                        Ok(_) => Duration::ZERO,
                        Err(cause) => replica.report_unavailable(Some(tick), cause, &mut outage),
                    }
                }
                Err(cause) => replica.report_unavailable(Some(tick), cause, &mut outage),
            };
            replica.pause(pause, Some(hints)).await?;
        }
    }

    async fn claim(&self, tick: Tick) -> Result<Claimed<LeaseGuard>, Error> {
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
        leases
            .claim(&job.name, *ttl, request, ClaimTerms::default())
            .await
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
