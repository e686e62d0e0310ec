//! Locks by name, and work that runs under one.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use crate::lease::{Keeper, Taken, clock};
use crate::store::Store;
use crate::timing::{Ttl, jitter};
use crate::{Error, ErrorKind, Lease, LeaseEnd, LeaseGuard, LockName, LockServiceBuilder};

/// A waiter looks at least this often, on average twice: a hint can be lost.
const POLL_CAP: Duration = Duration::from_secs(1);
const POLL_MIN: Duration = Duration::from_millis(20);

/// Takes locks, all from one store. Cheap to clone; the copies share their connection.
///
/// See the [crate documentation](crate) for what is promised and what is not.
#[derive(Clone, Debug)]
#[doc(alias = "DistributedLockService")]
pub struct LockService {
    keeper: Keeper,
    on_unavailable: OnUnavailable,
    queues: Queues,
}

/// What becomes of work when the store cannot be asked.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum OnUnavailable {
    /// It does not run; the outcome says why. This is the default.
    #[default]
    FailClosed,
    /// It runs without a lock, on every replica that cannot reach the store, as the platform's Node
    /// services do. Each such run is marked: [`LeaseEnd::Unprotected`], [`Lease::is_protected`].
    FailOpen,
}

/// What becomes of running work when its lease is lost.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum OnLoss {
    /// Its future is dropped at its next await. This is the default.
    #[default]
    DropWork,
    /// It runs on, and has to ask [`Lease::check`] itself.
    KeepRunning,
}

/// Where the locks live.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Mode {
    /// In Redis or Valkey: among all replicas.
    Redis,
    /// In files of this machine: among its processes of one user.
    Host,
}

/// What became of work that was to run under a lock.
#[derive(Debug)]
#[must_use = "work that did not run is not an error"]
pub enum Outcome<T> {
    /// It ran to its end.
    Ran {
        /// What it returned; its errors are never masked by those of the lock.
        value: T,
        /// Whether it was alone all the time.
        lease: LeaseEnd,
    },
    /// The lease was lost, and the work was dropped.
    Lost {
        /// How long it had run.
        ran_for: Duration,
    },
    /// It did not run: somebody else has the lock.
    Busy {
        /// The value under the key, as its holder has put it there.
        holder: String,
        /// For how long, unless renewed. A foreign key may have no ttl.
        ttl: Option<Duration>,
    },
    /// It did not run: the store could not be asked, or a setting is wrong.
    Unavailable(Error),
}

/// What became of an attempt to take a lock.
#[derive(Debug)]
#[must_use = "an acquired lock is released when it is dropped"]
pub enum Acquisition {
    /// It is ours until the guard is dropped.
    Acquired(LeaseGuard),
    /// Somebody else has it.
    Busy {
        /// The value under the key, as its holder has put it there.
        holder: String,
        /// For how long, unless renewed. A foreign key may have no ttl.
        ttl: Option<Duration>,
    },
    /// The store could not be asked, or a setting is wrong.
    Unavailable(Error),
}

/// One lock to be taken, with what is to be different from the defaults.
#[derive(Debug)]
#[must_use = "nothing happens before `run` or `take`"]
pub struct LockRequest {
    service: LockService,
    parsed: Result<(LockName, Ttl), Error>,
    minimum_hold: Duration,
    on_loss: OnLoss,
    wait: Option<Duration>,
}

// ===== impl LockService =====

impl LockService {
    /// From the environment: Redis at `REDIS_URL`; without it, files of this machine and one
    /// warning.
    ///
    /// # Errors
    ///
    /// See [`LockServiceBuilder::build`].
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Redis or Valkey at `url`.
    ///
    /// # Errors
    ///
    /// See [`LockServiceBuilder::build`].
    pub fn redis(url: impl Into<String>) -> Result<Self, Error> {
        Self::builder().redis_url(url).build()
    }

    /// Files of this machine, in the default folder: `$CIVIC_LOCK_DIR`, else
    /// `/var/tmp/civic-lock-<uid>`. Without a warning: it was asked for.
    ///
    /// # Errors
    ///
    /// See [`LockServiceBuilder::build`].
    pub fn host() -> Result<Self, Error> {
        Self::builder().host().build()
    }

    /// With other settings.
    pub fn builder() -> LockServiceBuilder {
        LockServiceBuilder::new()
    }

    pub(crate) fn new(keeper: Keeper, on_unavailable: OnUnavailable) -> Self {
        Self {
            keeper,
            on_unavailable,
            queues: Queues::default(),
        }
    }

    /// Where the locks live.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self.keeper.store() {
            Store::Redis(_) => Mode::Redis,
            Store::Host(_) => Mode::Host,
        }
    }

    pub(crate) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    pub(crate) fn on_unavailable(&self) -> OnUnavailable {
        self.on_unavailable
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
        let parsed = name
            .try_into()
            .map_err(Into::into)
            .and_then(|name| Ok((name, Ttl::new(ttl)?)));
        LockRequest {
            service: self.clone(),
            parsed,
            minimum_hold: Duration::ZERO,
            on_loss: OnLoss::default(),
            wait: None,
        }
    }

    async fn take_once(&self, name: &LockName, ttl: Ttl) -> Acquisition {
        match self.keeper.take(name, ttl).await {
            Ok(Taken::Taken(guard)) => Acquisition::Acquired(guard),
            Ok(Taken::Busy { holder, ttl }) => Acquisition::Busy { holder, ttl },
            Err(error) if self.runs_without(&error) => {
                tracing::warn!(%name, %error, "running without a lock");
                let lease = Lease::unprotected(name.clone(), self.keeper.new_holder(), ttl);
                Acquisition::Acquired(LeaseGuard::unprotected(lease))
            }
            Err(error) => Acquisition::Unavailable(error),
        }
    }

    /// Failing open is for a store that is away, not for a setting or a key that is wrong.
    fn runs_without(&self, error: &Error) -> bool {
        self.on_unavailable == OnUnavailable::FailOpen
            && !matches!(
                error.kind(),
                ErrorKind::Config | ErrorKind::Name | ErrorKind::WrongType
            )
    }

    async fn take_within(&self, name: &LockName, ttl: Ttl, within: Duration) -> Acquisition {
        let deadline = Instant::now() + within;
        let queue = self.queues.of(name);
        let Ok(_turn) = tokio::time::timeout_at(deadline, queue.lock()).await else {
            return self.take_once(name, ttl).await;
        };
        let mut hints = None;
        loop {
            let left = match self.take_once(name, ttl).await {
                Acquisition::Busy { holder, ttl } => {
                    if Instant::now() >= deadline {
                        return Acquisition::Busy { holder, ttl };
                    }
                    ttl
                }
                settled @ (Acquisition::Acquired(_) | Acquisition::Unavailable(_)) => {
                    return settled;
                }
            };
            let hints = hints.get_or_insert_with(|| self.keeper.store().hints(name));
            let nap = POLL_MIN + jitter(left.unwrap_or(POLL_CAP).min(POLL_CAP));
            tokio::select! {
                () = tokio::time::sleep_until(deadline.min(Instant::now() + nap)) => {}
                // Every process hears it at the same moment.
                () = hints.next() => tokio::time::sleep(jitter(POLL_MIN)).await,
            }
        }
    }
}

// ===== impl LockRequest =====

impl LockRequest {
    /// Keeps the key for at least this long, counted from when the lock was taken, so that others
    /// whose clocks differ do not run the same thing again. Applies to [`run`](Self::run).
    ///
    /// Defaults to zero.
    pub fn minimum_hold(mut self, hold: Duration) -> Self {
        self.minimum_hold = hold;
        self
    }

    /// What becomes of running work when its lease is lost. Applies to [`run`](Self::run).
    ///
    /// Defaults to [`OnLoss::DropWork`].
    pub fn on_loss(mut self, on_loss: OnLoss) -> Self {
        self.on_loss = on_loss;
        self
    }

    /// Waits for the lock at most this long.
    ///
    /// Defaults to not waiting.
    pub fn wait(mut self, within: Duration) -> Self {
        self.wait = Some(within);
        self
    }

    /// Takes the lock.
    pub async fn take(self) -> Acquisition {
        match self.parsed {
            Err(error) => Acquisition::Unavailable(error),
            Ok((name, ttl)) => match self.wait {
                None => self.service.take_once(&name, ttl).await,
                Some(within) => self.service.take_within(&name, ttl, within).await,
            },
        }
    }

    /// Runs `work` under the lock.
    pub async fn run<F, W>(self, work: F) -> Outcome<W::Output>
    where
        F: FnOnce(Lease) -> W,
        W: Future,
    {
        let (on_loss, minimum_hold) = (self.on_loss, self.minimum_hold);
        match self.take().await {
            Acquisition::Acquired(guard) => run(guard, work, on_loss, minimum_hold).await,
            Acquisition::Busy { holder, ttl } => Outcome::Busy { holder, ttl },
            Acquisition::Unavailable(error) => Outcome::Unavailable(error),
        }
    }
}

async fn run<F, W>(
    guard: LeaseGuard,
    work: F,
    on_loss: OnLoss,
    minimum_hold: Duration,
) -> Outcome<W::Output>
where
    F: FnOnce(Lease) -> W,
    W: Future,
{
    let began = clock::now();
    let ran_for = || clock::now().saturating_sub(began);
    let hold = || Some(minimum_hold.saturating_sub(ran_for())).filter(|rest| !rest.is_zero());
    let lease = guard.lease().clone();
    let ended = {
        let work = {
            let lease = lease.clone();
            // Also a panic before the first await is one of the work.
            catch_unwind(AssertUnwindSafe(|| work(lease)))
        };
        match work {
            Err(panic) => Some(Err(panic)),
            Ok(work) => {
                let work = caught(work);
                tokio::select! {
                    // The value of work that has ended is never thrown away.
                    biased;
                    ended = work => Some(ended),
                    _ = lease.lost(), if on_loss == OnLoss::DropWork => None,
                }
            }
        }
    };
    match ended {
        Some(Ok(value)) => Outcome::Ran {
            value,
            lease: guard.release_held(hold()).await,
        },
        Some(Err(panic)) => {
            guard.release_held(hold()).await;
            resume_unwind(panic)
        }
        None => {
            let ran_for = ran_for();
            guard.release().await;
            Outcome::Lost { ran_for }
        }
    }
}

/// Runs the work to its end or to its panic.
async fn caught<W: Future>(work: W) -> Result<W::Output, Box<dyn Any + Send>> {
    let mut work = pin!(work);
    std::future::poll_fn(move |cx| {
        // The panic goes on in `run`, after the lock is released: nobody sees what it broke.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

// ===== impl Queues =====

/// One queue a name, for those of this process that wait for it.
#[derive(Clone, Debug, Default)]
struct Queues(Arc<Mutex<HashMap<LockName, Weak<tokio::sync::Mutex<()>>>>>);

impl Queues {
    fn of(&self, name: &LockName) -> Arc<tokio::sync::Mutex<()>> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(name).and_then(Weak::upgrade) {
            return queue;
        }
        queues.retain(|_, queue| queue.strong_count() > 0);
        let queue = Arc::new(tokio::sync::Mutex::new(()));
        queues.insert(name.clone(), Arc::downgrade(&queue));
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_a_request_are_those_of_the_documentation() {
        let service = LockService::redis("redis://localhost").expect("a valid URL");
        let request = service.lock("nightly", Duration::from_secs(30));
        assert_eq!(request.minimum_hold, Duration::ZERO);
        assert_eq!(request.on_loss, OnLoss::DropWork);
        assert_eq!(request.wait, None);
    }
}
