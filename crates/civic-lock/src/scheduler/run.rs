//! One run of a job's work.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::lease::lease::Lease;
use crate::name::LockName;
use crate::scheduler::event::Turn;
use crate::scheduler::tick::Tick;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the work of a job is given.
#[derive(Clone, Debug)]
pub struct Run {
    turn: Turn,
    lease: Lease,
}

/// The work of a job, its error type erased.
#[derive(Clone)]
pub(super) struct Work(Arc<Erased>);

type Erased = dyn Fn(Run) -> BoxFuture<Returned> + Send + Sync;

/// How the work ended by itself.
pub(super) type Returned = Result<(), Arc<str>>;

impl Run {
    pub(super) fn new(turn: Turn, lease: Lease) -> Self {
        Self { turn, lease }
    }

    /// The name of the job.
    #[must_use]
    pub fn job(&self) -> &LockName {
        self.lease.name()
    }

    /// The scheduled instant that is being run, which may be earlier than now. Compute by it, not
    /// by the clock, so that another attempt comes to the same result.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.turn.tick
    }

    /// 1 for the first attempt at this tick; more when an earlier holder died, was stopped, was
    /// shut down or failed in the middle of it.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.turn.attempt
    }

    /// The lease under which the work runs: ask [`check`](Lease::check) before each side effect and
    /// send [`fence`](Lease::fence) along with it. The work is dropped when the lease is lost.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }
}

impl Work {
    pub(super) fn new<W, F, E>(work: W) -> Self
    where
        W: Fn(Run) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self(Arc::new(move |run| {
            let running = work(run);
            Box::pin(async move {
                running
                    .await
                    .map_err(|error| error.into().to_string().into())
            })
        }))
    }

    /// To be run in a task of its own, which contains its panics.
    pub(super) async fn run(self, run: Run) -> Returned {
        (self.0)(run).await
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}
