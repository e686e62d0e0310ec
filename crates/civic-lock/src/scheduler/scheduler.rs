//! Runs jobs, together with the other replicas that are given the same ones.

use std::fmt;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::outcome::OnUnavailable;
use crate::scheduler::clock_offset::{ClockOffset, LocalClock};
use crate::scheduler::event::Event;
use crate::scheduler::job::Job;
use crate::scheduler::replica::Replica;
use crate::scheduler::run::{Run, Work};
use crate::scheduler::settings::{Observer, Settings};
use crate::scheduler::worker::JobWorker;
use crate::service::LockService;
use crate::timing::Ttl;

/// How long running work may go on when its replica is shut down, unless the scheduler
/// [says otherwise](Scheduler::shutdown_bound): as long as the requests of a server and its
/// detached executions.
pub const SHUTDOWN_BOUND: Duration = Duration::from_secs(15);

/// Runs jobs, together with the other replicas that are given the same jobs.
///
/// See the [module documentation](super) for what is promised and what is not.
pub struct Scheduler {
    service: LockService,
    jobs: Vec<(Job, Ttl, Work)>,
    settings: Settings,
}

impl Scheduler {
    /// Creates a scheduler without jobs.
    #[must_use]
    pub fn new(service: &LockService) -> Self {
        Self {
            service: service.clone(),
            jobs: Vec::new(),
            settings: Settings {
                clock: LocalClock::new(SystemTime::now),
                observer: None,
                poll_cap: Duration::from_secs(5),
                max_skew: Duration::from_secs(5),
                shutdown_bound: SHUTDOWN_BOUND,
            },
        }
    }

    /// Adds a job and its work.
    ///
    /// The work runs in its own task, which is aborted when the lease is lost. Code that never
    /// awaits has to call [`Lease::check`](crate::Lease::check) itself.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Config`](crate::ErrorKind::Config) if the settings of the job
    /// contradict each other, or if there is a job of the same name.
    pub fn job<W, F, E>(mut self, job: Job, work: W) -> Result<Self, Error>
    where
        W: Fn(Run) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if self.jobs.iter().any(|(other, ..)| other.name == job.name) {
            return Err(Error::config(format!(
                "there are two jobs named {}; give each its own name",
                job.name
            )));
        }
        let ttl = job.checked()?;
        self.jobs.push((job, ttl, Work::new(work)));
        Ok(self)
    }

    /// Calls `observer` with each event of each job. It must not block: to wait, send the event
    /// elsewhere.
    #[must_use]
    pub fn on_event(mut self, observer: impl Fn(&Job, &Event) + Send + Sync + 'static) -> Self {
        self.settings.observer = Some(Observer::new(observer));
        self
    }

    /// Sets where this replica reads the time of day.
    ///
    /// A clock that is behind the store's is corrected by it. One that is ahead is not, but a claim
    /// that is too early is refused.
    ///
    /// Defaults to [`SystemTime::now`].
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.settings.clock = LocalClock::new(clock);
        self
    }

    /// Sets how often, at least, a replica that stands by looks after a tick that runs elsewhere.
    ///
    /// Defaults to 5 s.
    #[must_use]
    pub fn poll_cap(mut self, cap: Duration) -> Self {
        self.settings.poll_cap = cap.max(Duration::from_millis(10));
        self
    }

    /// Sets how far in the store's future a tick may lie when it is claimed.
    ///
    /// Defaults to 5 s.
    #[must_use]
    pub fn max_skew(mut self, skew: Duration) -> Self {
        self.settings.max_skew = skew;
        self
    }

    /// Sets how long running work may go on when the replica is shut down.
    ///
    /// The work is [told](Run::shutdown) at once. Work that has not finished by then is dropped and
    /// its tick handed over; with `AtMostOnce` the tick is lost. Work that never awaits cannot be
    /// dropped: the scheduler waits for it, and it keeps its lease meanwhile. With zero the tick is
    /// handed over at once.
    ///
    /// Defaults to [`SHUTDOWN_BOUND`], 15 s.
    #[must_use]
    pub fn shutdown_bound(mut self, bound: Duration) -> Self {
        self.settings.shutdown_bound = bound;
        self
    }

    /// Runs the jobs until `shutdown` is ready, then ends what is running, and returns.
    ///
    /// From then on no tick is claimed. Work that is running has the
    /// [bound](Self::shutdown_bound) to end; its lease is given back last. No signal handler is
    /// installed. To end a scheduler and a server together, give both the same
    /// [`CancellationToken`]: `scheduler.run(token.cancelled_owned())`.
    ///
    /// A panic of the [clock](Self::clock) goes on here; panics of the work and of the observer do
    /// not.
    ///
    /// # Cancel safety
    ///
    /// Dropping the returned future stops the jobs too, without waiting for their work to end.
    /// Their leases are given back in the background.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        if self.service.acquirer().on_unavailable() == OnUnavailable::FailOpen {
            tracing::warn!(
                "the service fails open, but its scheduled jobs do not: no tick runs without a store"
            );
        }
        let stop = CancellationToken::new();
        let settings = Arc::new(self.settings);
        let mut workers = JoinSet::new();
        for (job, ttl, work) in self.jobs {
            // Separate leases, for the job's own bound on renewal.
            let leases = self.service.acquirer().leases().with_max_hold(job.max_hold);
            let replica = Replica {
                job: Arc::new(job),
                ttl,
                leases,
                clock_offset: ClockOffset::new(),
                settings: settings.clone(),
                stop: stop.clone(),
            };
            workers.spawn(JobWorker { replica, work }.run());
        }
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                // A worker ends early only by a panic, for example of the clock.
                Some(ended) = workers.join_next() => resume_panic(ended),
            }
        }
        stop.cancel();
        while let Some(ended) = workers.join_next().await {
            resume_panic(ended);
        }
    }
}

fn resume_panic(ended: Result<(), JoinError>) {
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
