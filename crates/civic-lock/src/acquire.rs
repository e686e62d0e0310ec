//! Acquires a lock once, or waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::lease::acquire::Leases;
use crate::lease::guard::LeaseGuard;
use crate::lease::lease::Lease;
use crate::lock_event::LockEvent;
use crate::mutex::Mutex;
use crate::name::LockName;
use crate::outcome::{Acquisition, OnUnavailable};
use crate::store::answer::Acquired;
use crate::timing::{Ttl, jitter};
use crate::weak_map::WeakMap;

/// A waiter asks at least this often, and on average twice as often: a hint can be lost.
const MAX_POLL: Duration = Duration::from_secs(1);
const MIN_POLL: Duration = Duration::from_millis(20);
/// The longest wait. An instant that is later than the clock can show would panic.
const MAX_WAIT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Acquires locks from one store. Cheap to clone; the copies share their queues.
#[derive(Clone, Debug)]
pub(crate) struct Acquirer {
    leases: Leases,
    on_unavailable: OnUnavailable,
    queues: Queues,
}

/// What one question of a waiter has come to.
#[derive(Debug)]
pub(crate) enum Asked<T> {
    /// There is nothing to wait for.
    Decided(T),
    /// Another holder has the lock, for as long as `left` unless it renews it.
    Held { answer: T, left: Option<Duration> },
}

/// One queue per name, for the callers of this process that wait for it.
#[derive(Clone, Debug, Default)]
struct Queues(Arc<Mutex<WeakMap<LockName, tokio::sync::Mutex<()>>>>);

// ===== impl Acquirer =====

impl Acquirer {
    pub(crate) fn new(leases: Leases, on_unavailable: OnUnavailable) -> Self {
        Self {
            leases,
            on_unavailable,
            queues: Queues::default(),
        }
    }

    /// An acquirer of the same locks, with another bound on renewal. The two share their queues.
    pub(crate) fn with_max_hold(&self, max_hold: Duration) -> Self {
        Self {
            leases: self.leases.with_max_hold(max_hold),
            ..self.clone()
        }
    }

    pub(crate) fn leases(&self) -> &Leases {
        &self.leases
    }

    /// The queue of the callers of this process that wait for the lock.
    pub(crate) fn queue(&self, name: &LockName) -> Arc<tokio::sync::Mutex<()>> {
        self.queues.get(name)
    }

    pub(crate) fn on_unavailable(&self) -> OnUnavailable {
        self.on_unavailable
    }

    /// Tries once to acquire the lock.
    pub(crate) async fn once(&self, name: &LockName, ttl: Ttl) -> Acquisition {
        match self.leases.acquire(name, ttl).await {
            Ok(Acquired::Granted(guard)) => Acquisition::Acquired(guard),
            Ok(Acquired::Busy { holder, ttl }) => Acquisition::Busy { holder, ttl },
            Err(error) if self.runs_without(&error) => {
                tracing::warn!(%name, %error, "the lock store is unavailable: running without a lock");
                let lease = Lease::unprotected(name.clone(), self.leases.new_holder(), ttl);
                Acquisition::Acquired(LeaseGuard::unprotected(lease))
            }
            Err(error) => Acquisition::Unavailable(error),
        }
    }

    /// Failing open is for a store that is unavailable, not for a setting or a key that is wrong.
    fn runs_without(&self, error: &Error) -> bool {
        self.on_unavailable == OnUnavailable::FailOpen
            && !matches!(
                error.kind(),
                ErrorKind::Config | ErrorKind::Name | ErrorKind::WrongType
            )
    }

    /// Acquires the lock, and waits for it at most as long as `within`.
    pub(crate) async fn waiting(&self, name: &LockName, ttl: Ttl, within: Duration) -> Acquisition {
        self.wait(name, within, move || async move {
            match self.once(name, ttl).await {
                Acquisition::Busy { holder, ttl } => Asked::Held {
                    answer: Acquisition::Busy { holder, ttl },
                    left: ttl,
                },
                decided => Asked::Decided(decided),
            }
        })
        .await
    }

    /// Asks until it is decided, at most as long as `within`, whenever the lock may be free.
    pub(crate) async fn wait<T, F>(
        &self,
        name: &LockName,
        within: Duration,
        ask: impl Fn() -> F,
    ) -> T
    where
        F: Future<Output = Asked<T>>,
    {
        if Handle::try_current().is_err() {
            // Refused: there is nothing to wait by.
            return ask().await.into_answer();
        }
        // A wait without an end is one of a century.
        let deadline = Instant::now() + within.min(MAX_WAIT);
        let queue = self.queue(name);
        let Ok(_turn) = tokio::time::timeout_at(deadline, queue.lock()).await else {
            return ask().await.into_answer();
        };
        let mut hints = None;
        loop {
            let left = match ask().await {
                Asked::Decided(answer) => return answer,
                Asked::Held { answer, .. } if Instant::now() >= deadline => return answer,
                Asked::Held { left, .. } => left,
            };
            if hints.is_none() {
                self.leases.observer().emit(|| LockEvent::Waiting {
                    name: name.clone(),
                    contenders: Arc::strong_count(&queue),
                });
            }
            let hints = hints.get_or_insert_with(|| self.leases.store().hints(name));
            let pause = MIN_POLL + jitter(left.unwrap_or(MAX_POLL).min(MAX_POLL));
            tokio::select! {
                () = tokio::time::sleep_until(deadline.min(Instant::now() + pause)) => {}
                // Every process hears it at the same moment.
                () = hints.next() => tokio::time::sleep(jitter(MIN_POLL)).await,
            }
        }
    }
}

// ===== impl Asked =====

impl<T> Asked<T> {
    fn into_answer(self) -> T {
        match self {
            Self::Decided(answer) | Self::Held { answer, .. } => answer,
        }
    }
}

// ===== impl Queues =====

impl Queues {
    fn get(&self, name: &LockName) -> Arc<tokio::sync::Mutex<()>> {
        let mut queues = self.0.lock();
        queues.share(name, |_| true, tokio::sync::Mutex::default)
    }
}
