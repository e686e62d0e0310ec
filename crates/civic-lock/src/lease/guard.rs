//! What ends a lease.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind};
use crate::lease::end::{End, Ended, Ending};
use crate::lease::lease::{Lease, LeaseEnd, Shared};
use crate::lease::machine::LostReason;
use crate::store::answer::{Completed, Released};

/// Ends the lease when it is dropped.
///
/// Dropping never blocks: a task releases the key in the background. Where no runtime is left to
/// run it, at the exit of the process say, the ttl ends the lease.
#[must_use = "a lease ends when its guard is dropped"]
pub struct LeaseGuard {
    lease: Lease,
    end: Option<oneshot::Sender<End>>,
    on_drop: Ending,
}

// ===== impl LeaseGuard =====

impl LeaseGuard {
    pub(super) fn new(shared: Arc<Shared>, end: oneshot::Sender<End>, on_drop: Ending) -> Self {
        Self {
            lease: Lease::new(shared),
            end: Some(end),
            on_drop,
        }
    }

    /// Nothing to release.
    pub(crate) fn unprotected(lease: Lease) -> Self {
        Self {
            lease,
            end: None,
            on_drop: Ending::Release { hold: None },
        }
    }

    /// What a drop does from now on.
    pub(crate) fn on_drop(&mut self, ending: Ending) {
        self.on_drop = ending;
    }

    /// A view of the lease, to be given to the work.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Releases the lock and says whether it was kept until now.
    ///
    /// It returns within the command timeout. Where the store does not answer in time, the release
    /// is repeated in the background until it is confirmed or the ttl has passed.
    pub async fn release(self) -> LeaseEnd {
        self.release_held(None).await
    }

    /// Like [`release`](Self::release), but the key stays for `hold`, counted from now.
    pub(crate) async fn release_held(self, hold: Option<Duration>) -> LeaseEnd {
        if !self.lease.is_protected() {
            return LeaseEnd::Unprotected;
        }
        let sure = self.lease.check().is_ok();
        match self.end(Ending::Release { hold }).await {
            Ok(Ended::NotOwner) => LeaseEnd::LostAfter,
            // No answer says nothing about the time in which the work ran: the clock does.
            Ok(Ended::Owned) | Err(_) if sure => LeaseEnd::Kept,
            Ok(Ended::Owned) | Err(_) => LeaseEnd::LostAfter,
        }
    }

    /// Moves the watermark to `tick` and releases the key, or leaves it for `hold`.
    ///
    /// An error means that no answer came within the command timeout; the call is then repeated in
    /// the background until it is confirmed or the ttl has passed.
    pub(crate) async fn complete(
        self,
        tick: u64,
        hold: Option<Duration>,
    ) -> Result<Completed, Error> {
        Ok(match self.end(Ending::Complete { tick, hold }).await? {
            Ended::Owned => Completed::Completed,
            Ended::NotOwner => Completed::NotOwner,
        })
    }

    /// Releases the key, leaves the tick claimed, and announces it: somebody else takes it over at
    /// once. This is also what a drop of a claimed lease does.
    pub(crate) async fn abandon(self) -> Result<Released, Error> {
        self.end(Ending::Abandon).await.map(Ended::released)
    }

    /// Takes the claim back: its work has not begun.
    pub(crate) async fn unclaim(self) -> Result<Released, Error> {
        self.end(Ending::Unclaim).await.map(Ended::released)
    }

    async fn end(mut self, ending: Ending) -> Result<Ended, Error> {
        let (answer, answered) = oneshot::channel();
        if let Some(end) = self.end.take() {
            let _ = end.send(End {
                ending,
                answer: Some(answer),
            });
        }
        answered.await.unwrap_or_else(|_| {
            // The task is gone only with its runtime.
            Err(Error::new(
                ErrorKind::Connection,
                "the runtime has shut down",
            ))
        })
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.lease.end(LostReason::Released);
        if let Some(end) = self.end.take() {
            let _ = end.send(End {
                ending: self.on_drop,
                answer: None,
            });
        }
    }
}

impl fmt::Debug for LeaseGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaseGuard").field(&self.lease).finish()
    }
}
