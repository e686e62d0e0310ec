//! Locks by name, and work that runs under one.

use std::time::Duration;

use crate::acquire::Acquirer;
use crate::error::Error;
use crate::lease::lease::Lease;
use crate::name::LockName;
use crate::outcome::{Acquisition, Outcome};
use crate::request::LockRequest;
use crate::store::store::Store;

/// Takes locks, all from one store. Cheap to clone; the copies share their connection.
///
/// See the [crate documentation](crate) for what is promised and what is not.
#[derive(Clone, Debug)]
#[doc(alias = "DistributedLockService")]
pub struct LockService {
    acquirer: Acquirer,
}

/// Where the locks live.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Mode {
    /// In Redis or Valkey: among all replicas.
    Redis,
    /// In files of this machine: among its processes of one user.
    Host,
}

// ===== impl LockService =====

impl LockService {
    pub(crate) fn new(acquirer: Acquirer) -> Self {
        Self { acquirer }
    }

    /// Where the locks live.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self.acquirer.keeper().store() {
            Store::Redis(_) => Mode::Redis,
            Store::Host(_) => Mode::Host,
        }
    }

    pub(crate) fn acquirer(&self) -> &Acquirer {
        &self.acquirer
    }

    /// Runs `work` if nobody else holds `name`, and releases it afterwards: on success, error,
    /// panic, drop and loss.
    ///
    /// The lease has a `ttl` of 500 ms to 7 days and renews itself. When it is lost, the work is
    /// dropped; see [`lock`](Self::lock) for other ways. `Unavailable` is returned within the
    /// command timeout. A panic of the work releases the lock and goes on.
    #[doc(alias = "withLock")]
    pub async fn with_lock<N, F, W>(&self, name: N, ttl: Duration, work: F) -> Outcome<W::Output>
    where
        N: TryInto<LockName, Error: Into<Error>>,
        F: FnOnce(Lease) -> W,
        W: Future,
    {
        self.lock(name, ttl).run(work).await
    }

    /// Takes `name` if nobody else holds it.
    pub async fn try_acquire<N>(&self, name: N, ttl: Duration) -> Acquisition
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        self.lock(name, ttl).take().await
    }

    /// Takes `name`, and waits for it at most as long as `within`.
    ///
    /// Of the waiters of one process only one asks the store, the first come. It sleeps for a
    /// random part of what is left of the holder's ttl, at most a second, and is woken by the
    /// release where the hint is heard. `Unavailable` is not waited out.
    pub async fn acquire<N>(&self, name: N, ttl: Duration, within: Duration) -> Acquisition
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        self.lock(name, ttl).wait(within).take().await
    }

    /// A lock to be taken with other settings than the defaults.
    pub fn lock<N>(&self, name: N, ttl: Duration) -> LockRequest
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        LockRequest::new(self.acquirer.clone(), name, ttl)
    }
}
