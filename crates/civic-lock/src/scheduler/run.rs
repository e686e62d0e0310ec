//! One run of a job's work.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::lease::lease::Lease;
use crate::name::LockName;
use crate::scheduler::event::Attempt;
use crate::scheduler::tick::Tick;

/// What the work of a job is given.
#[derive(Clone, Debug)]
pub struct Run {
    attempt: Attempt,
    lease: Lease,
    shutdown: CancellationToken,
}

/// The work of a job, with its error type erased.
#[derive(Clone)]
pub(super) struct Work(Arc<dyn Fn(Run) -> Running + Send + Sync>);

/// The future of the work.
struct Running(Pin<Box<dyn Future<Output = Result<(), WorkError>> + Send>>);

/// The text of the error, or of the panic, with which the work ended.
#[derive(Clone, Debug)]
pub(super) struct WorkError(Arc<str>);

// ===== impl Run =====

impl Run {
    pub(super) fn new(attempt: Attempt, lease: Lease, shutdown: CancellationToken) -> Self {
        Self {
            attempt,
            lease,
            shutdown,
        }
    }

    /// Returns the name of the job.
    #[must_use]
    pub fn job(&self) -> &LockName {
        self.lease.name()
    }

    /// Returns the scheduled instant that is being run, which may be earlier than now.
    ///
    /// Compute by it and not by the clock, so that another attempt comes to the same result.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.attempt.tick
    }

    /// Returns 1 for the first attempt at this tick, and more if an earlier holder died, was
    /// stopped, was shut down or failed in the middle of it.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt.number
    }

    /// Returns the lease under which the work runs.
    ///
    /// Call [`check`](Lease::check) before each side effect, and send [`fence`](Lease::fence) along
    /// with it. The work is dropped when the lease is lost.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Returns a token that is cancelled when the replica begins to shut down.
    ///
    /// Work that is long can then stop at a point from which another attempt goes on, and return an
    /// error or wait: it has the [bound](super::Scheduler::shutdown_bound) left before it is
    /// dropped and its tick handed over.
    ///
    /// Cancelling the returned token does not end the replica.
    #[must_use]
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.child_token()
    }
}

// ===== impl Work =====

impl Work {
    pub(super) fn new<W, F, E>(work: W) -> Self
    where
        W: Fn(Run) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self(Arc::new(move |run| {
            let running = work(run);
            Running(Box::pin(async move {
                running
                    .await
                    .map_err(|error| WorkError::new(error.into().to_string()))
            }))
        }))
    }

    /// To be run in its own task, which contains its panics.
    pub(super) async fn run(self, run: Run) -> Result<(), WorkError> {
        (self.0)(run).0.await
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

// ===== impl WorkError =====

impl WorkError {
    pub(super) fn new(text: String) -> Self {
        Self(text.into())
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.0
    }
}
