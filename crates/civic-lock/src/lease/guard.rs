//! The guard of a lease, which ends the lease when it is dropped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::lease::detached::Detached;
use crate::lease::end::{EndRequest, Ended, Ending};
use crate::lease::lease::{Lease, LeaseEnd, Shared};
use crate::lease::machine::LostReason;
use crate::lease::young::{Held, Phase};
use crate::store::answer::Ownership;
use crate::store::history::RunRecord;
use crate::store::once::Completed;
use crate::store::payload::Payload;

/// Keeps a lease, and releases the lock when it is dropped.
///
/// Dropping never blocks: a task releases the key in the background. If the runtime shuts down
/// before the task has done so, for example when the process exits, the key expires after its ttl.
#[must_use = "a lease ends when its guard is dropped"]
pub struct LeaseGuard {
    lease: Lease,
    /// `None` if there is no lock, and at the end.
    held: Option<Held>,
    on_drop: Ending,
}

impl LeaseGuard {
    pub(super) fn new(shared: Arc<Shared>, held: Held, on_drop: Ending) -> Self {
        Self {
            lease: Lease::new(shared),
            held: Some(held),
            on_drop,
        }
    }

    /// Creates a guard of a lease without a lock. It has nothing to release.
    pub(crate) fn unprotected(lease: Lease) -> Self {
        Self {
            lease,
            held: None,
            on_drop: Ending::Release { hold: None },
        }
    }

    /// Sets what a drop does from now on.
    pub(crate) fn on_drop(&mut self, ending: Ending) {
        self.on_drop = ending;
    }

    /// Returns a view of the lease, for the work.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Releases the lock, and returns whether the lease lasted until now.
    ///
    /// This method returns within the command timeout, and at once if the lease is lost already. If
    /// the store has not confirmed the release by then, the release is repeated in the background
    /// until it is confirmed or the ttl has passed.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the lock is released even if the returned future is dropped, or never polled.
    pub async fn release(self) -> LeaseEnd {
        self.release_held(None).await
    }

    /// Like [`release`](Self::release), but the key stays for `hold`, counted from now.
    pub(crate) async fn release_held(self, hold: Option<Duration>) -> LeaseEnd {
        if !self.lease.is_protected() {
            return LeaseEnd::Unprotected;
        }
        if self.lease.check().is_err() {
            // Lost is lost, whatever the store says to the release. Dropping the guard sends it.
            return LeaseEnd::Lost;
        }
        match self.end(Ending::Release { hold }).await {
            Ok(Ownership::NotOurs) => LeaseEnd::Lost,
            // Without an answer, only the clock tells whether the lease lasted.
            Ok(Ownership::Ours) | Err(_) => LeaseEnd::Kept,
        }
    }

    /// Moves the watermark to `tick`, and releases the key or keeps it for `hold`.
    ///
    /// An error means that the store has not confirmed the command. It is then repeated in the
    /// background until it is confirmed or the ttl has passed.
    ///
    /// `generation` is the one that the tick was claimed in, see
    /// [`Complete`](crate::store::command::Complete). `run` is what is remembered of it.
    pub(crate) async fn complete(
        self,
        tick: u64,
        hold: Option<Duration>,
        generation: Option<u64>,
        run: Option<RunRecord>,
    ) -> Result<Ownership, Error> {
        self.end(Ending::Complete {
            tick,
            hold,
            generation,
            run,
        })
        .await
    }

    /// Like [`complete`](Self::complete), for the run that an operator has asked for.
    pub(crate) async fn complete_due(
        self,
        hold: Option<Duration>,
        run: Option<RunRecord>,
    ) -> Result<Ownership, Error> {
        self.end(Ending::CompleteDue { hold, run }).await
    }

    /// Like [`abandon`](Self::abandon), and the attempt does not count.
    pub(crate) async fn hand_over(self) -> Result<Ownership, Error> {
        self.end(Ending::HandOver).await
    }

    /// Releases the key and leaves the tick claimed, so that another replica takes it over at once.
    /// Dropping the guard of an at-least-once tick does the same.
    pub(crate) async fn abandon(self) -> Result<Ownership, Error> {
        self.end(Ending::Abandon).await
    }

    /// Gives the claim back, because the work of the tick has not begun.
    pub(crate) async fn unclaim(self) -> Result<Ownership, Error> {
        self.end(Ending::Unclaim).await
    }

    /// Records that an execution is finished, with its result if that fits into a record, and
    /// releases the key.
    ///
    /// An error means that the store has not confirmed it. It is then repeated in the background
    /// until it is confirmed, for ten minutes at least: the record outlives the key.
    pub(crate) async fn complete_once(self, result: Option<Payload>) -> Result<Completed, Error> {
        match self.finish(Ending::OnceComplete { result }).await? {
            Ended::Execution(completed) => Ok(completed),
            Ended::Key(_) => Ok(Completed::NotOurs),
        }
    }

    /// Lets an execution be begun again, since nothing was done, and releases the key.
    pub(crate) async fn forget_once(self) -> Result<Ownership, Error> {
        self.end(Ending::OnceForget).await
    }

    async fn end(self, ending: Ending) -> Result<Ownership, Error> {
        self.finish(ending).await.map(Ended::ownership)
    }

    async fn finish(mut self, ending: Ending) -> Result<Ended, Error> {
        match self.held.take().map(Held::take) {
            Some(Phase::Young(keeper)) => {
                let here = Handle::try_current();
                let runtime = here.unwrap_or_else(|_| keeper.runtime.clone());
                Detached::begun(runtime, Box::pin(keeper.end(ending))).await?
            }
            Some(Phase::Driven(task)) => {
                let (answer, answered) = oneshot::channel();
                let answer = Some(answer);
                let _ = task.send(EndRequest { ending, answer });
                answered
                    .await
                    // The task drops the sender without an answer only if the runtime shuts down.
                    .unwrap_or_else(|_| Err(Error::runtime_shutdown()))
            }
            Some(Phase::Over) | None => Err(Error::runtime_shutdown()),
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.lease.mark_ended(LostReason::Released);
        match self.held.take().map(Held::take) {
            Some(Phase::Young(keeper)) => {
                let runtime = keeper.runtime.clone();
                drop(Detached::begun(
                    runtime,
                    Box::pin(keeper.end(self.on_drop.clone())),
                ));
            }
            Some(Phase::Driven(task)) => {
                let _ = task.send(EndRequest {
                    ending: self.on_drop.clone(),
                    answer: None,
                });
            }
            Some(Phase::Over) | None => {}
        }
    }
}

impl fmt::Debug for LeaseGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaseGuard").field(&self.lease).finish()
    }
}
