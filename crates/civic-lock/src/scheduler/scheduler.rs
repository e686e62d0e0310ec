//! Runs jobs, together with the other replicas that are given the same ones.

use std::fmt;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::lease::acquire::Keeper;
use crate::outcome::OnUnavailable;
use crate::scheduler::clock_offset::Lag;
use crate::scheduler::event::Event;
use crate::scheduler::job::Job;
use crate::scheduler::run::{Run, Work};
use crate::scheduler::worker::{Duty, Settings};
use crate::service::LockService;
use crate::timing::Ttl;

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
        if self.service.acquirer().on_unavailable() == OnUnavailable::FailOpen {
            tracing::warn!(
                "the service fails open, its scheduled jobs do not: without a store no tick is run"
            );
        }
        let stop = CancellationToken::new();
        let settings = Arc::new(self.settings);
        let mut duties = JoinSet::new();
        for (job, ttl, work) in self.jobs {
            // A keeper of its own, for the job's own bound on renewal.
            let keeper = Keeper::new(
                self.service.acquirer().keeper().store().clone(),
                job.max_hold,
            );
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
