//! Locks by name, and work that runs under one.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::acquire::Acquirer;
use crate::durability::Durability;
use crate::election::Election;
use crate::error::Error;
use crate::lease::lease::Lease;
use crate::name::LockName;
use crate::once::key::OnceKey;
use crate::once::request::OnceRequest;
use crate::outcome::{Acquisition, Outcome};
use crate::request::LockRequest;
use crate::store::command::Peek;
use crate::store::store::Store;

/// The name that a ping reads. No one has to lock it.
const PING: &str = "civic-lock:ping";

/// Acquires locks, all from one store. Cheap to clone; the copies share their connection.
///
/// See the [crate documentation](crate) for what is promised and what is not.
#[derive(Clone, Debug)]
#[doc(alias = "DistributedLockService")]
pub struct LockService {
    acquirer: Acquirer,
}

/// Where the locks live.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Backend {
    /// In Redis or Valkey: among all replicas.
    Redis,
    /// In files of this machine: among the processes of one user.
    Host,
}

impl LockService {
    pub(crate) fn new(acquirer: Acquirer) -> Self {
        Self { acquirer }
    }

    /// Returns where the locks live.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self.acquirer.leases().store() {
            Store::Redis(_) => Backend::Redis,
            Store::Host(_) => Backend::Host,
        }
    }

    /// Asks the store for an answer, and returns how long it took. For the readiness of a service
    /// that cannot work without its locks.
    ///
    /// # Errors
    ///
    /// Returns why the store does not answer, within the command timeout.
    pub async fn ping(&self) -> Result<Duration, Error> {
        let began = Instant::now();
        let store = self.acquirer.leases().store();
        store.run(&LockName::new(PING)?, Peek).await?;
        Ok(began.elapsed())
    }

    /// Returns whether the store keeps every write that it has acknowledged. What runs
    /// [once](Self::once) may run twice if it does not, after a failover or a crash of the server.
    ///
    /// The answer of the store is remembered: it is asked once, and again only while it does not
    /// answer. Each primary of a Cluster is asked.
    pub async fn durability(&self) -> Durability {
        self.acquirer.leases().store().durability().await
    }

    /// Ends the leases of this service at the end of a process, and returns how many were not given
    /// back. Call it last: after the server has drained and the scheduler has ended.
    ///
    /// A lease that was dropped is given back in the background, which a process that exits at once
    /// does not wait for; the lock then stays until its ttl has passed. So does one that was
    /// acquired by a command whose answer was lost, until that is undone. This method waits for
    /// both, and for leases that are still held, as long as `bound`. Then it tells the holders that
    /// are left that their leases are lost, and waits once more, for the command timeout. A key
    /// that is not given back by then expires.
    ///
    /// Leases of the jobs of a scheduler, and those of the requests that a `LockLayer` has let in,
    /// are among them. The service can be used afterwards.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the leases are given back even if no one waits for it.
    pub async fn close(&self, bound: Duration) -> usize {
        let leases = self.acquirer.leases();
        if timeout(bound, leases.live().all_ended()).await.is_err() {
            leases.live().tell();
            let within = leases.store().command_timeout();
            let _ = timeout(within, leases.live().all_ended()).await;
        }
        leases.live().len()
    }

    pub(crate) fn acquirer(&self) -> &Acquirer {
        &self.acquirer
    }

    /// Runs `work` if no one else holds `name`, and then releases the lock: on success, error,
    /// panic, drop and loss.
    ///
    /// The lease has a `ttl` of 500 ms to 7 days, and renews itself. When it is lost, the work is
    /// dropped; [`request`](Self::request) offers other ways. [`Outcome::Unavailable`] is returned
    /// within the command timeout. A panic of the work releases the lock and goes on.
    ///
    /// # Cancel safety
    ///
    /// If the returned future is dropped, the work is dropped at its current await and the lock is
    /// released in the background.
    #[doc(alias = "withLock")]
    pub async fn with_lock<N, F, W>(&self, name: N, ttl: Duration, work: F) -> Outcome<W::Output>
    where
        N: TryInto<LockName, Error: Into<Error>>,
        F: FnOnce(Lease) -> W,
        W: Future,
    {
        self.request(name, ttl).run(work).await
    }

    /// Acquires `name` if no one else holds it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. If the returned future is dropped, a lock that was acquired, or that may have
    /// been acquired, is released in the background.
    pub async fn try_acquire<N>(&self, name: N, ttl: Duration) -> Acquisition
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        self.request(name, ttl).acquire().await
    }

    /// Acquires `name`, and waits for it at most as long as `within`.
    ///
    /// Of the waiters of one process only the first one asks the store. It sleeps for a random part
    /// of what is left of the holder's ttl, at most one second, and is woken by the release if it
    /// hears the hint. [`Acquisition::Unavailable`] is returned at once.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. If the returned future is dropped, a lock that was acquired, or that may have
    /// been acquired, is released in the background, and the caller loses its place in the queue.
    pub async fn acquire<N>(&self, name: N, ttl: Duration, within: Duration) -> Acquisition
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        self.request(name, ttl).wait(within).acquire().await
    }

    /// Makes a request to execute something once under a key, among all replicas and for as long as
    /// the store remembers it. Nothing happens before [`run`](OnceRequest::run) or
    /// [`begin`](OnceRequest::begin).
    ///
    /// ```
    /// # async fn migrate() -> Result<(), std::io::Error> { Ok(()) }
    /// # async fn start(locks: civic_lock::LockService) {
    /// use civic_lock::OnceOutcome;
    ///
    /// match locks.once("migration:2026-11-add-index").run(|_| migrate()).await {
    ///     OnceOutcome::Ran { .. } | OnceOutcome::AlreadyDone { .. } => println!("migrated"),
    ///     other => eprintln!("not migrated: {other:?}"),
    /// }
    /// # }
    /// ```
    pub fn once<N>(&self, key: N) -> OnceRequest
    where
        N: TryInto<OnceKey, Error: Into<Error>>,
    {
        OnceRequest::new(self.acquirer.clone(), key)
    }

    /// Makes a candidate for the leadership among all replicas that campaign under this name.
    /// Nothing happens before [`campaign`](Election::campaign) or
    /// [`run_while_leader`](Election::run_while_leader).
    ///
    /// The election is the lock of the same name: a holder of the lock keeps every candidate out,
    /// and an operator who breaks the lock ends the leadership. The `ttl`, 500 ms to 7 days, is how
    /// long a leader that crashed keeps the others from being elected; 15 s is a good choice.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Name`](crate::ErrorKind::Name) or
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the name or the ttl is refused.
    pub fn election<N>(&self, name: N, ttl: Duration) -> Result<Election, Error>
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        let name = name.try_into().map_err(Into::into)?;
        Election::new(&self.acquirer, name, ttl)
    }

    /// Makes a request for one lock, to be changed before it is sent.
    pub fn request<N>(&self, name: N, ttl: Duration) -> LockRequest
    where
        N: TryInto<LockName, Error: Into<Error>>,
    {
        LockRequest::new(self.acquirer.clone(), name, ttl)
    }
}
