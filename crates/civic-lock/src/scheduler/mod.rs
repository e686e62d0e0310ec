//! Scheduled jobs, each tick on exactly one replica.
//!
//! # What is not promised
//!
//! - **Not "exactly once" under faults.** A holder that dies between its work and the record of it
//!   has done the work, and nobody can know. [`Delivery`](crate::Delivery) says which error to
//!   make: [`AtLeastOnce`](crate::Delivery::AtLeastOnce) runs the tick again, with a higher fence
//!   and attempt; [`AtMostOnce`](crate::Delivery::AtMostOnce) does not, and the tick may be lost
//!   without an event.
//! - **No mutual exclusion for a holder that was stopped.** A process that is stopped for longer
//!   than the ttl, and then goes on, is told; but what it does in between can only be refused by
//!   the resource, by the [fence](crate::Lease::fence).
//! - **No protection from a store that loses its data.** A tick that was done before may then be
//!   run again.
//! - **No punctuality.** A tick runs when a replica thinks that it is due: the one whose clock is
//!   ahead claims it first, by up to [`max_skew`](Scheduler::max_skew) early by the store's clock.
//!   (One whose clock is behind goes by the store's.)
//! - **No second report.** The replica that records ticks as missed reports them; if it dies between
//!   the two, their events are lost with it.
//!
//! # What is promised
//!
//! - Without faults each tick runs **once**, on one replica, however short the work and however
//!   different the clocks of the replicas (within the maximum skew): a tick that is done is done,
//!   which the store remembers as a watermark.
//! - A tick whose holder died, was stopped or lost its lease is **taken over** within ttl + jitter
//!   (at most 250 ms), whatever the length of the work, with `attempt >= 2` and a strictly larger
//!   fence; also if later ticks are due by then, which wait for it.
//! - A holder that is **shut down** gives the tick back: another replica takes it over at once
//!   where it hears the hint, else within the [poll cap](Scheduler::poll_cap).
//! - A tick that is not begun, or begun again, within its misfire grace is **reported as missed**
//!   by exactly one replica, also if all replicas were down. With `AtLeastOnce` nothing is lost
//!   silently.
//! - Ticks of one job **never overlap** and run in order, oldest first.
//! - The work is told and dropped **before** another replica can take the tick over, as long as
//!   the process is not stopped nor its runtime blocked.
//! - While the store is **unavailable nothing runs**, even if the service is told to fail open.
//! - A panic in the work, or in the observer, stays there.
//!
//! # Example
//!
//! ```no_run
//! use civic_lock::{Job, LockService, Scheduler};
//!
//! # async fn example() -> Result<(), civic_lock::Error> {
//! let locks = LockService::from_env()?;
//! let nightly = Job::cron("penalty-calculation", "0 2 * * *")?.timezone("America/Toronto")?;
//!
//! Scheduler::new(&locks)
//!     .job(nightly, |run| async move {
//!         for account in 0..1000 {
//!             run.lease().check()?; // before each side effect
//!             charge(account, run.tick(), run.lease().fence()).await;
//!         }
//!         Ok::<(), civic_lock::LeaseLost>(())
//!     })?
//!     .on_event(|job, event| println!("{} {}", job.name(), event.name()))
//!     .run(async { let _ = tokio::signal::ctrl_c().await; })
//!     .await;
//! # Ok(())
//! # }
//! # async fn charge(_: u32, _: civic_lock::Tick, _: u64) {}
//! ```

mod clock;
mod duty;
mod event;
mod job;
mod run;
pub mod schedule;
mod tick;

use std::fmt;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use self::clock::Lag;
use self::duty::{Duty, Settings};
pub use self::event::{AfterFailure, Event, Turn};
pub use self::job::{Job, OnError};
pub use self::run::Run;
use self::run::Work;
pub use self::schedule::Schedule;
pub use self::tick::Tick;
use crate::lease::Keeper;
use crate::timing::Ttl;
use crate::{Error, LockService, OnUnavailable};

/// Runs jobs, together with the other replicas that are given the same ones. See the
/// [module documentation](self).
pub struct Scheduler {
    service: LockService,
    jobs: Vec<(Job, Ttl, Work)>,
    settings: Settings,
}

impl Scheduler {
    /// A scheduler without jobs.
    #[must_use]
    pub fn new(service: &LockService) -> Self {
        Self {
            service: service.clone(),
            jobs: Vec::new(),
            settings: Settings {
                clock: Box::new(SystemTime::now),
                observer: None,
                poll_cap: Duration::from_secs(5),
                max_skew: Duration::from_secs(5),
                drain: Duration::ZERO,
            },
        }
    }

    /// Adds a job and its work.
    ///
    /// The work runs in a task of its own, which is aborted when the lease is lost: code that
    /// never awaits has to ask [`Lease::check`](crate::Lease::check) itself.
    ///
    /// # Errors
    ///
    /// The job's settings contradict each other, or its name is taken.
    pub fn job<W, F, E>(mut self, job: Job, work: W) -> Result<Self, Error>
    where
        W: Fn(Run) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if self.jobs.iter().any(|(other, ..)| other.name == job.name) {
            return Err(Error::config(format!(
                "there are two jobs of the name {}",
                job.name
            )));
        }
        let ttl = job.checked()?;
        self.jobs.push((job, ttl, Work::new(work)));
        Ok(self)
    }

    /// Calls this with each event of each job. It must not block; to wait, send the event elsewhere.
    #[must_use]
    pub fn on_event(mut self, observer: impl Fn(&Job, &Event) + Send + Sync + 'static) -> Self {
        self.settings.observer = Some(Box::new(observer));
        self
    }

    /// Where this replica reads the time of day. A clock that is behind the store's is put right by
    /// it; one that is ahead is not, but a claim that is too early is refused.
    ///
    /// Defaults to [`SystemTime::now`].
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.settings.clock = Box::new(clock);
        self
    }

    /// How often a replica that stands by looks after a tick that runs elsewhere, at least.
    ///
    /// Defaults to 5 s.
    #[must_use]
    pub fn poll_cap(mut self, cap: Duration) -> Self {
        self.settings.poll_cap = cap.max(Duration::from_millis(10));
        self
    }

    /// How far in the store's future a tick may lie when it is claimed.
    ///
    /// Defaults to 5 s.
    #[must_use]
    pub fn max_skew(mut self, skew: Duration) -> Self {
        self.settings.max_skew = skew;
        self
    }

    /// How long work that is running may go on when the replica is shut down. What is not finished
    /// by then is dropped and handed over; with `AtMostOnce` it is lost. Work that never awaits
    /// cannot be dropped: it is waited for, and keeps its lease meanwhile.
    ///
    /// Defaults to zero: the tick is handed over at once.
    #[must_use]
    pub fn drain(mut self, drain: Duration) -> Self {
        self.settings.drain = drain;
        self
    }

    /// Runs the jobs until `shutdown` is ready; then gives back what is running, and returns.
    ///
    /// Dropping this future stops the jobs too, without waiting for their work to end. A panic of the
    /// [clock](Self::clock) goes on here; those of the work and of the observer do not.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        if self.service.on_unavailable() == OnUnavailable::FailOpen {
            tracing::warn!(
                "the service fails open, its scheduled jobs do not: without a store no tick is run"
            );
        }
        let stop = CancellationToken::new();
        let settings = Arc::new(self.settings);
        let mut duties = JoinSet::new();
        for (job, ttl, work) in self.jobs {
            // A keeper of its own, for the job's own bound on renewal.
            let keeper = Keeper::new(self.service.keeper().store().clone(), job.max_hold);
            let duty = Duty {
                job: Arc::new(job),
                ttl,
                work,
                keeper,
                lag: Lag::new(),
                settings: settings.clone(),
                stop: stop.clone(),
            };
            duties.spawn(duty.run());
        }
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                // A duty ends before it is told to only by a panic, of the clock say.
                Some(ended) = duties.join_next() => pass_on(ended),
            }
        }
        stop.cancel();
        while let Some(ended) = duties.join_next().await {
            pass_on(ended);
        }
    }
}

fn pass_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs: Vec<_> = self
            .jobs
            .iter()
            .map(|(job, ..)| job.name().as_str())
            .collect();
        f.debug_struct("Scheduler")
            .field("jobs", &jobs)
            .finish_non_exhaustive()
    }
}
