//! One job on one replica: waits for its ticks, claims them, runs them.
//!
//! The replica always minds the *oldest tick that it does not know to be done*. When that tick is
//! due by its own clock it claims it, and stays with it until it is done, by whomever: a replica
//! that loses a claim stands by for the takeover. What the store answers decides:
//!
//! | answer | what follows |
//! |---|---|
//! | claimed, the tick or an earlier one | run it |
//! | already done | on to the oldest tick after the watermark |
//! | running elsewhere | wait for a hint, or for the ttl of the holder, and claim again |
//! | past its grace | give it up, and every further tick that nobody claimed within its grace; whoever moves the watermark over them reports them |
//! | the tick lies in the store's future | wait |
//! | no answer | wait, a little longer each time |

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::delivery::Delivery;
use crate::error::Error;
use crate::lease::acquire::{ClaimOutcome, Keeper};
use crate::lease::guard::LeaseGuard;
use crate::lease::machine::LostReason;
use crate::scheduler::clock_offset::{Lag, OwnClock};
use crate::scheduler::event::{AfterFailure, Event, Turn};
use crate::scheduler::job::{Job, OnError};
use crate::scheduler::run::{Returned, Run, Work};
use crate::scheduler::tick::Tick;
use crate::store::answer::{Completed, Missed, Peek};
use crate::store::hints::Hints;
use crate::store::request::ClaimRequest;
use crate::timing::{Backoff, Ttl, jitter};

/// A wall clock that is set is noticed after this long at the latest.
const LONGEST_NAP: Duration = Duration::from_secs(30);
/// Those who stand by look at the next tick when it is due, but not more often than this.
const SHORTEST_STANDBY: Duration = Duration::from_millis(250);
/// What standing by adds to the ttl of the holder, so that replicas do not come all at once.
const LONGEST_JITTER: Duration = Duration::from_millis(250);

pub(super) struct Duty {
    pub(super) job: Arc<Job>,
    pub(super) ttl: Ttl,
    pub(super) work: Work,
    pub(super) keeper: Keeper,
    pub(super) lag: Lag,
    pub(super) settings: Arc<Settings>,
    /// Cancelled when the replica is shutting down.
    pub(super) stop: CancellationToken,
}

pub(super) type Observer = dyn Fn(&Job, &Event) + Send + Sync;

/// What all jobs of a scheduler have in common.
pub(super) struct Settings {
    pub(super) clock: Box<OwnClock>,
    pub(super) observer: Option<Box<Observer>>,
    pub(super) poll_cap: Duration,
    pub(super) max_skew: Duration,
    pub(super) drain: Duration,
}

/// The replica is shutting down.
struct Stopped;

/// What has become of a tick that was ours.
enum Served {
    /// The tick is done.
    Done,
    /// It is not, or nobody knows: claim again.
    Open,
}

/// How the work ended.
enum Ended {
    Returned(Returned),
    Lost(LostReason),
    Stopped,
}

impl Duty {
    pub(super) async fn run(self) {
        // Stopped is the only way out; everything that was held has been given back by then.
        let Err(Stopped) = self.mind().await else {
            return;
        };
    }

    async fn mind(&self) -> Result<(), Stopped> {
        let mut hints = self.keeper.store().hints(&self.job.name);
        let mut done = self.first_watermark().await?;
        while let Some(next) = self.job.schedule.next_after(done) {
            self.wait_until(next).await?;
            done = done.max(self.settle(next, done, &mut hints).await?);
        }
        // The schedule has come to its end.
        self.pause(Duration::MAX, None).await
    }

    /// Where to begin: the store's watermark; for a job that it has never seen, the latest tick
    /// that is in the past *by the store's clock*, so that a replica whose clock is ahead cannot
    /// declare done what is not even due.
    async fn first_watermark(&self) -> Result<Tick, Stopped> {
        let mut outage = Outage::default();
        loop {
            match self.read_watermark().await {
                Ok(done) => return Ok(done),
                Err(cause) => {
                    if outage.begins() {
                        self.emit(&Event::Unavailable {
                            tick: None,
                            cause: Arc::new(cause),
                        });
                    }
                    self.pause(outage.backoff(self.settings.poll_cap), None)
                        .await?;
                }
            }
        }
    }

    async fn read_watermark(&self) -> Result<Tick, Error> {
        let peek = self.peek().await?;
        if let Some(done) = peek.done {
            return Ok(Tick::from_millis(done));
        }
        let now = Tick::from_millis(peek.now);
        self.register(self.job.schedule.latest_at_or_before(now).unwrap_or(now))
            .await
    }

    async fn peek(&self) -> Result<Peek, Error> {
        let peek = self.keeper.store().peek(&self.job.name).await;
        let store = peek.as_ref().ok().map(|peek| Tick::from_millis(peek.now));
        self.lag.measure(&self.settings.clock, store);
        peek
    }

    async fn register(&self, done: Tick) -> Result<Tick, Error> {
        let retain = self.job.retain_of(done);
        let done = self
            .keeper
            .store()
            .register(&self.job.name, done.as_millis(), retain)
            .await?;
        Ok(Tick::from_millis(done))
    }

    /// Waits until the tick is due.
    async fn wait_until(&self, tick: Tick) -> Result<(), Stopped> {
        loop {
            if self.lag.is_due() {
                // Without an answer the last one holds; the claim will tell what is wrong.
                let _ = self.peek().await;
            }
            let left = self.lag.now(&self.settings.clock).until(tick);
            if left.is_zero() {
                return Ok(());
            }
            self.pause(left.min(LONGEST_NAP), None).await?;
        }
    }

    /// Stays with a due tick until something is done, and answers the watermark.
    async fn settle(&self, next: Tick, done: Tick, hints: &mut Hints) -> Result<Tick, Stopped> {
        let mut outage = Outage::default();
        let mut ahead = Outage::default();
        // Our own run of `next` whose record was not confirmed.
        let mut unrecorded = None;
        loop {
            let pause = match self.claim(next).await {
                Ok(ClaimOutcome::Claimed {
                    guard,
                    tick,
                    attempt,
                    done: watermark,
                }) => {
                    tracing::debug!(job = %self.job.name, tick, attempt, watermark, "claimed");
                    let fence = guard.lease().fence();
                    let turn = Turn {
                        tick: Tick::from_millis(tick),
                        fence,
                        attempt,
                    };
                    if self.stop.is_cancelled() {
                        // It has not begun: it was never ours.
                        let _ = guard.unclaim().await;
                        return Err(Stopped);
                    }
                    unrecorded = None;
                    match self.serve(guard, turn, &mut unrecorded).await? {
                        Served::Done => return Ok(turn.tick),
                        Served::Open => Duration::ZERO,
                    }
                }
                Ok(ClaimOutcome::AlreadyDone { done }) => {
                    match unrecorded.filter(|turn: &Turn| turn.tick == next) {
                        Some(turn) => self.emit(&ran(turn)),
                        None => self.emit(&Event::Skipped { tick: next }),
                    }
                    return Ok(Tick::from_millis(done));
                }
                Ok(ClaimOutcome::Running { holder, ttl, tick }) => {
                    tracing::debug!(job = %self.job.name, tick, holder, ?ttl, "standing by");
                    self.standby(next, ttl)
                }
                Ok(ClaimOutcome::TooLate { tick, done }) => {
                    let missed = Tick::from_millis(tick);
                    let reached = self.give_up(Tick::from_millis(done), missed).await?;
                    if reached >= missed {
                        return self.sweep(reached).await;
                    }
                    // Somebody has claimed it meanwhile, or is about to let go of it.
                    SHORTEST_STANDBY
                }
                Ok(ClaimOutcome::ClockAhead { now }) => {
                    let by = Tick::from_millis(now).until(next);
                    if ahead.begins() {
                        self.emit(&Event::ClockAhead { tick: next, by });
                    }
                    by.saturating_sub(self.settings.max_skew)
                        .clamp(Duration::from_millis(10), self.settings.poll_cap)
                }
                // The store has lost its data. What we know to be done need not run again.
                Ok(ClaimOutcome::Unregistered { now }) => {
                    tracing::warn!(job = %self.job.name, %done, store_now = now, "the store has lost its data");
                    match self.register(done).await {
                        Ok(done) if done >= next => return Ok(done),
                        Ok(_) => Duration::ZERO,
                        Err(cause) => self.unavailable(next, cause, &mut outage),
                    }
                }
                Err(cause) => self.unavailable(next, cause, &mut outage),
            };
            self.pause(pause, Some(hints)).await?;
        }
    }

    async fn claim(&self, tick: Tick) -> Result<ClaimOutcome, Error> {
        let request = ClaimRequest {
            tick: tick.as_millis(),
            grace: self.job.grace_of(tick),
            delivery: self.job.delivery,
            max_skew: self.settings.max_skew,
            retain: self.job.retain_of(tick),
        };
        self.keeper.claim(&self.job.name, self.ttl, request).await
    }

    /// Runs a tick that is ours, and gives it back.
    async fn serve(
        &self,
        guard: LeaseGuard,
        turn: Turn,
        unrecorded: &mut Option<Turn>,
    ) -> Result<Served, Stopped> {
        let claimed = Instant::now();
        let lease = guard.lease().clone();
        self.emit(&Event::Started(turn));
        let span = tracing::info_span!(
            "civic_lock.run",
            job = %self.job.name,
            tick = turn.tick.as_millis(),
            attempt = turn.attempt,
            fence = turn.fence,
            holder = lease.holder(),
        );
        let mut task = JoinSet::new();
        task.spawn(
            self.work
                .clone()
                .run(Run::new(turn, lease.clone()))
                .instrument(span),
        );
        let ended = tokio::select! {
            biased;
            returned = returned(&mut task) => Ended::Returned(returned),
            reason = lease.lost() => Ended::Lost(reason),
            () = self.drained() => Ended::Stopped,
        };
        let failed = match ended {
            Ended::Returned(Ok(())) => false,
            Ended::Returned(Err(error)) => {
                let retried = self.retry_delay(turn).is_some();
                let then = if retried {
                    AfterFailure::Retried
                } else {
                    AfterFailure::Consumed
                };
                self.emit(&Event::Failed { turn, error, then });
                if let Some(delay) = self.retry_delay(turn) {
                    let stopped = self.pause(delay, None).await;
                    let _ = guard.abandon().await;
                    return stopped.map(|()| Served::Open);
                }
                true
            }
            Ended::Lost(reason) => {
                self.emit(&Event::Lost { turn, reason });
                // Nothing of it may be left when this replica claims again.
                task.shutdown().await;
                return Ok(Served::Open);
            }
            Ended::Stopped => {
                // The work is over before anybody else can begin: first the one, then the other.
                task.shutdown().await;
                let _ = guard.abandon().await;
                self.emit(&match self.job.delivery {
                    Delivery::AtLeastOnce => Event::HandedOver(turn),
                    // It counts as done since the claim: nobody takes it over.
                    Delivery::AtMostOnce => Event::Lost {
                        turn,
                        reason: LostReason::Released,
                    },
                });
                return Err(Stopped);
            }
        };
        let hold = self.job.hold_of(turn.tick).checked_sub(claimed.elapsed());
        match guard.complete(turn.tick.as_millis(), hold).await {
            Ok(Completed::Completed) if failed => Ok(Served::Done),
            Ok(Completed::Completed) => {
                self.emit(&ran(turn));
                Ok(Served::Done)
            }
            Ok(Completed::NotOwner) => {
                self.emit(&Event::Lost {
                    turn,
                    reason: LostReason::NotOwner,
                });
                Ok(Served::Open)
            }
            Err(cause) => {
                self.emit(&Event::Unrecorded {
                    turn,
                    cause: Arc::new(cause),
                });
                *unrecorded = Some(turn).filter(|_| !failed);
                Ok(Served::Open)
            }
        }
    }

    fn retry_delay(&self, turn: Turn) -> Option<Duration> {
        match self.job.on_error {
            OnError::Retry { attempts, delay } if turn.attempt < attempts => Some(delay),
            OnError::Retry { .. } | OnError::Consume => None,
        }
    }

    /// Moves the watermark over ticks that nobody may begin any more, and answers where it is then.
    ///
    /// Whoever has moved it reports them: a call that gets no answer is repeated until it is known
    /// whether it did. Where that cannot be known they are reported, twice rather than not at all.
    async fn give_up(&self, from: Tick, to: Tick) -> Result<Tick, Stopped> {
        let store = self.keeper.store();
        let by = self.keeper.new_holder();
        let mut outage = Outage::default();
        let mut unknown = false;
        loop {
            let missed = store.miss(&self.job.name, &by, from.as_millis(), to.as_millis());
            let cause = match missed.await {
                Ok(Missed::Marked) => {
                    self.report_missed(from, to).await;
                    return Ok(to);
                }
                Ok(Missed::Changed { done, certain }) => {
                    let done = done.map_or(from, Tick::from_millis);
                    if unknown && !certain && done >= to {
                        self.report_missed(from, to).await;
                    }
                    return Ok(done);
                }
                Err(cause) => cause,
            };
            unknown |= cause.is_ambiguous();
            let pause = self.unavailable(to, cause, &mut outage);
            if let Err(stopped) = self.pause(pause, None).await {
                if unknown {
                    self.report_missed(from, to).await;
                }
                return Err(stopped);
            }
        }
    }

    /// Every tick after `from`, up to and with `to`, which need not be on the schedule any more.
    async fn report_missed(&self, from: Tick, to: Tick) {
        let mut last = from;
        for tick in self.job.schedule.between(from, to) {
            self.emit(&Event::Missed { tick });
            last = tick;
            // An outage of a week has many ticks.
            tokio::task::yield_now().await;
        }
        if last < to {
            self.emit(&Event::Missed { tick: to });
        }
    }

    /// Gives up the ticks that nobody has claimed and that nobody may begin any more.
    async fn sweep(&self, done: Tick) -> Result<Tick, Stopped> {
        let Ok(peek) = self.peek().await else {
            return Ok(done);
        };
        let Some(next) = self.job.schedule.next_after(done) else {
            return Ok(done);
        };
        // One millisecond more than the grace: at the grace itself a tick may still begin.
        let too_late = peek
            .now
            .checked_sub(millis(self.job.grace_of(next)) + 1)
            .map(Tick::from_millis);
        match too_late.and_then(|instant| self.job.schedule.latest_at_or_before(instant)) {
            Some(last) if last > done => self.give_up(done, last).await,
            _ => Ok(done),
        }
    }

    fn unavailable(&self, tick: Tick, cause: Error, outage: &mut Outage) -> Duration {
        if outage.begins() {
            self.emit(&Event::Unavailable {
                tick: Some(tick),
                cause: Arc::new(cause),
            });
        }
        outage.backoff(self.settings.poll_cap)
    }

    /// How long to stand by for a tick that somebody else runs.
    fn standby(&self, tick: Tick, ttl: Option<Duration>) -> Duration {
        let now = self.lag.now(&self.settings.clock);
        let following = self
            .job
            .schedule
            .next_after(tick)
            .map_or(Duration::MAX, |next| now.until(next));
        let jitter = jitter(LONGEST_JITTER.min(self.ttl.get() / 10));
        ttl.unwrap_or(Duration::MAX)
            .min(self.settings.poll_cap)
            .min(following.max(SHORTEST_STANDBY))
            + jitter
    }

    async fn pause(&self, pause: Duration, hints: Option<&mut Hints>) -> Result<(), Stopped> {
        let hinted = async {
            match hints {
                Some(hints) => hints.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Stopped),
            () = hinted => Ok(()),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// The replica is shutting down, and the work has had its time to end.
    async fn drained(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(self.settings.drain).await;
    }

    fn emit(&self, event: &Event) {
        event.trace(self.job.name.as_str());
        if let Some(observer) = &self.settings.observer {
            let observed = std::panic::AssertUnwindSafe(|| observer(&self.job, event));
            if std::panic::catch_unwind(observed).is_err() {
                tracing::error!(job = %self.job.name, event = event.name(), "the observer of events panicked");
            }
        }
    }
}

fn ran(turn: Turn) -> Event {
    if turn.attempt > 1 {
        Event::TookOver(turn)
    } else {
        Event::Ran(turn)
    }
}

/// The result of the one task in the set; a panic counts as a failure.
async fn returned(task: &mut JoinSet<Returned>) -> Returned {
    match task.join_next().await {
        Some(Ok(returned)) => returned,
        Some(Err(error)) => Err(match error.try_into_panic() {
            Ok(panic) => format!("panicked: {}", panic_text(&*panic)).into(),
            Err(error) => error.to_string().into(),
        }),
        None => pending().await,
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX - 1)
}

/// Something that goes on for a while and is reported once.
#[derive(Default)]
struct Outage {
    reported: bool,
    backoff: Option<Backoff>,
}

impl Outage {
    fn begins(&mut self) -> bool {
        !std::mem::replace(&mut self.reported, true)
    }

    fn backoff(&mut self, cap: Duration) -> Duration {
        self.backoff.get_or_insert_with(|| Backoff::new(cap)).wait()
    }
}
