//! What runs when, and what to do when something goes wrong.

use std::time::Duration;

use crate::delivery::Delivery;
use crate::error::Error;
use crate::name::LockName;
use crate::scheduler::coalesce::Coalesce;
use crate::scheduler::peers::{PeerForm, Peers};
use crate::scheduler::schedule::Schedule;
use crate::scheduler::tick::Tick;
use crate::timing::Ttl;

const DEFAULT_TTL: Duration = Duration::from_secs(30);
const DEFAULT_MAX_HOLD: Duration = Duration::from_secs(6 * 60 * 60);
const MAX_DEFAULT_HOLD: Duration = Duration::from_secs(60);
const MIN_DEFAULT_GRACE: Duration = Duration::from_secs(60);
const MAX_DEFAULT_GRACE: Duration = Duration::from_secs(60 * 60);
const DEFAULT_MAX_ATTEMPTS: u32 = 10;

/// A scheduled job: its name, its schedule and its guarantees.
///
/// Replicas that give a job the same name share its ticks. The settings are checked as a whole when
/// the job is given to [`Scheduler::job`](super::Scheduler::job).
///
/// ```
/// use std::time::Duration;
/// use civic_lock::{Delivery, Job};
///
/// let job = Job::cron("penalty-calculation", "0 2 * * *")?
///     .timezone("America/Toronto")?
///     .delivery(Delivery::AtLeastOnce)
///     .misfire_grace(Duration::from_secs(600));
/// assert_eq!(job.name().as_str(), "penalty-calculation");
/// # Ok::<(), civic_lock::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Job {
    pub(super) name: LockName,
    pub(super) schedule: Schedule,
    pub(super) ttl: Duration,
    pub(super) delivery: Delivery,
    pub(super) on_error: OnError,
    pub(super) max_hold: Duration,
    pub(super) coalesce: Coalesce,
    pub(super) timeout: Option<Duration>,
    pub(super) peers: Peers,
    pub(super) peer_form: PeerForm,
    max_attempts: Option<u32>,
    jitter: Duration,
    misfire_grace: Option<Duration>,
    minimum_hold: Option<Duration>,
}

/// What becomes of a tick whose work returned an error or panicked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum OnError {
    /// The tick counts as done, and is not run again. This is the default.
    #[default]
    Consume,
    /// The tick is run again, within its misfire grace.
    Retry {
        /// How often it is run at most, including the first time and takeovers after a crash. At
        /// least 2. It takes the place of [`Job::max_attempts`].
        attempts: u32,
        /// The pause between the failure and the next attempt. The lock is kept meanwhile.
        delay: Duration,
    },
}

impl Job {
    /// Creates a job with a schedule.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Name`](crate::ErrorKind::Name) if the name is not a
    /// [lock name](LockName::new).
    pub fn new<N>(name: N, schedule: Schedule) -> Result<Self, Error>
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        Ok(Self {
            name: name.try_into().map_err(Into::into)?,
            schedule,
            ttl: DEFAULT_TTL,
            delivery: Delivery::default(),
            on_error: OnError::default(),
            max_hold: DEFAULT_MAX_HOLD,
            coalesce: Coalesce::default(),
            timeout: None,
            peers: Peers::default(),
            peer_form: PeerForm::default(),
            max_attempts: None,
            jitter: Duration::ZERO,
            misfire_grace: None,
            minimum_hold: None,
        })
    }

    /// Creates a job with a cron expression.
    ///
    /// # Errors
    ///
    /// See [`Job::new`] and [`Schedule::cron`].
    pub fn cron<N>(name: N, expression: &str) -> Result<Self, Error>
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        Self::new(name, Schedule::cron(expression)?)
    }

    /// Creates a job that is due at each multiple of an interval since the epoch.
    ///
    /// # Errors
    ///
    /// See [`Job::new`] and [`Schedule::every`].
    pub fn every<N>(name: N, interval: Duration) -> Result<Self, Error>
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        Self::new(name, Schedule::every(interval)?)
    }

    /// Reads the cron expression in this time zone.
    ///
    /// Defaults to UTC.
    ///
    /// # Errors
    ///
    /// See [`Schedule::timezone`].
    pub fn timezone(mut self, name: &str) -> Result<Self, Error> {
        self.schedule = self.schedule.timezone(name)?;
        Ok(self)
    }

    /// Sets how long the lease lives without a renewal, and so how long a tick stays with a holder
    /// that has died. It does not limit the length of the work.
    ///
    /// Defaults to 30 s.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets whether a tick whose holder died runs again.
    ///
    /// Defaults to [`Delivery::AtLeastOnce`].
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Sets how late a tick may begin, or begin again. After that it is
    /// [missed](super::Event::Missed).
    ///
    /// A grace that is shorter than the ttl leaves no time for a takeover.
    ///
    /// Defaults to half the time to the following tick, but at least one minute and at most one
    /// hour, and never less than twice the ttl or twice the [jitter](Self::jitter).
    #[must_use]
    pub fn misfire_grace(mut self, grace: Duration) -> Self {
        self.misfire_grace = Some(grace);
        self
    }

    /// Sets how long the key stays at least, counted from the claim, however short the work.
    ///
    /// Node peers, which only know the key, skip the tick if they come within this time. It never
    /// delays the next tick of this scheduler.
    ///
    /// Defaults to half the time to the following tick, but at most 60 s.
    #[must_use]
    pub fn minimum_hold(mut self, hold: Duration) -> Self {
        self.minimum_hold = Some(hold);
        self
    }

    /// Sets for how long the lease is renewed at most. Work that takes longer is assumed to be
    /// stuck: it loses the lease and is dropped.
    ///
    /// Defaults to 6 hours.
    #[must_use]
    pub fn max_hold(mut self, hold: Duration) -> Self {
        self.max_hold = hold;
        self
    }

    /// Sets how long the work may take. Work that takes longer is dropped, and counts as failed:
    /// see [`on_error`](Self::on_error).
    ///
    /// Defaults to no limit but [`max_hold`](Self::max_hold).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how much later than its instant a tick may begin on purpose, so that jobs with the same
    /// schedule do not all begin at once.
    ///
    /// The delay of a tick is computed from the name of the job and the tick: it is the same on
    /// every replica, and another one for each tick. [`Run::tick`](super::Run::tick) stays the
    /// scheduled instant, and the misfire grace counts from it.
    ///
    /// Defaults to zero.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets what becomes of ticks that are due at the same time.
    ///
    /// Defaults to [`Coalesce::Latest`].
    #[must_use]
    pub fn coalesce(mut self, coalesce: Coalesce) -> Self {
        self.coalesce = coalesce;
        self
    }

    /// Sets whether a tick that a Node service has run counts as done.
    ///
    /// Defaults to [`Peers::Count`].
    #[must_use]
    pub fn peers(mut self, peers: Peers) -> Self {
        self.peers = peers;
        self
    }

    /// Sets how the value of a peer's key looks.
    ///
    /// Defaults to [`PeerForm::PidAndTime`].
    #[must_use]
    pub fn peer_form(mut self, form: PeerForm) -> Self {
        self.peer_form = form;
        self
    }

    /// Sets how often a tick is begun at most. A tick that was begun as often, and whose holders
    /// all died or lost their lease, is not begun again: it counts as done, with the event
    /// [`DeadLetter`](super::Event::DeadLetter). A hand-over at shutdown does not count.
    ///
    /// Defaults to the attempts of [`OnError::Retry`], or to 10.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Sets what becomes of a tick whose work failed.
    ///
    /// Defaults to [`OnError::Consume`].
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// Returns the name of the job, which is also that of its lock.
    #[must_use]
    pub fn name(&self) -> &LockName {
        &self.name
    }

    /// Returns when the job is due.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Checks the settings as a whole, and returns the ttl.
    pub(super) fn checked(&self) -> Result<Ttl, Error> {
        let ttl = Ttl::new(self.ttl)?;
        if self.max_hold < self.ttl {
            return Err(Error::config(format!(
                "job {}: max_hold is shorter than the ttl; make it at least as long",
                self.name
            )));
        }
        if self.max_attempts == Some(0) {
            return Err(Error::config(format!(
                "job {}: max_attempts is 0; it must be at least 1",
                self.name
            )));
        }
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Error::config(format!(
                "job {}: the timeout is zero; make it as long as the work may take",
                self.name
            )));
        }
        if self.misfire_grace.is_some_and(|grace| grace <= self.jitter) && !self.jitter.is_zero() {
            return Err(Error::config(format!(
                "job {}: the misfire grace is not longer than the jitter; make it longer",
                self.name
            )));
        }
        if let OnError::Retry { attempts, .. } = self.on_error {
            if self.max_attempts.is_some_and(|bound| bound != attempts) {
                return Err(Error::config(format!(
                    "job {}: max_attempts and the attempts of OnError::Retry differ; set one of them",
                    self.name
                )));
            }
            if attempts < 2 {
                return Err(Error::config(format!(
                    "job {}: OnError::Retry needs at least 2 attempts",
                    self.name
                )));
            }
            if self.delivery == Delivery::AtMostOnce {
                return Err(Error::config(format!(
                    "job {}: Delivery::AtMostOnce excludes OnError::Retry",
                    self.name
                )));
            }
        }
        Ok(ttl)
    }

    pub(super) fn grace_of(&self, tick: Tick) -> Duration {
        self.misfire_grace.unwrap_or_else(|| {
            let half = self.interval_at(tick) / 2;
            half.clamp(MIN_DEFAULT_GRACE, MAX_DEFAULT_GRACE)
                .max(2 * self.ttl)
                .max(2 * self.jitter)
        })
    }

    /// How often a tick is begun at most.
    pub(super) fn attempt_limit(&self) -> u32 {
        match self.on_error {
            OnError::Retry { attempts, .. } => attempts,
            OnError::Consume => self.max_attempts.unwrap_or(DEFAULT_MAX_ATTEMPTS),
        }
    }

    /// How much later than its instant a tick begins on purpose. The same on every replica.
    pub(super) fn delay_of(&self, tick: Tick) -> Duration {
        let span = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX);
        if span == 0 {
            return Duration::ZERO;
        }
        // FNV-1a, then a finalizer: neighbouring ticks have unrelated delays.
        let bytes = self
            .name
            .as_str()
            .bytes()
            .chain(tick.as_millis().to_le_bytes());
        let mut hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        Duration::from_millis((hash ^ (hash >> 33)) % span)
    }

    /// The latest tick that is due, jitter included; `next` if none after it is.
    pub(super) fn latest_due(&self, next: Tick, now: Tick) -> Tick {
        let mut upto = now;
        while let Some(tick) = self.schedule.latest_at_or_before(upto)
            && tick > next
        {
            if tick.until(now) >= self.delay_of(tick) {
                return tick;
            }
            upto = Tick::from_millis(tick.as_millis() - 1);
        }
        next
    }

    pub(super) fn hold_of(&self, tick: Tick) -> Duration {
        self.minimum_hold
            .unwrap_or_else(|| (self.interval_at(tick) / 2).min(MAX_DEFAULT_HOLD))
    }

    /// How long the fence and the watermark are kept: longer than the pause before the next tick.
    pub(super) fn retain_of(&self, tick: Tick) -> Duration {
        4 * self.interval_at(tick)
    }

    /// Zero after the last tick of a schedule that ends.
    pub(super) fn interval_at(&self, tick: Tick) -> Duration {
        self.schedule
            .next_after(tick)
            .map_or(Duration::ZERO, |next| tick.until(next))
    }
}

#[cfg(test)]
mod tests;
