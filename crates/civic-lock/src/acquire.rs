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

/// Acquires locks from one store. Cheap to clone; the copies share their queues.
#[derive(Clone, Debug)]
pub(crate) struct Acquirer {
    leases: Leases,
    on_unavailable: OnUnavailable,
    queues: Queues,
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

    pub(crate) fn leases(&self) -> &Leases {
        &self.leases
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
        if Handle::try_current().is_err() {
            // Refused: there is nothing to wait by.
            return self.once(name, ttl).await;
        }
        let deadline = Instant::now() + within;
        let queue = self.queues.get(name);
        let Ok(_turn) = tokio::time::timeout_at(deadline, queue.lock()).await else {
            return self.once(name, ttl).await;
        };
        let mut hints = None;
        loop {
            let left = match self.once(name, ttl).await {
                Acquisition::Busy { holder, ttl } => {
                    if Instant::now() >= deadline {
                        return Acquisition::Busy { holder, ttl };
                    }
                    ttl
                }
                decided => return decided,
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

// ===== impl Queues =====

impl Queues {
    fn get(&self, name: &LockName) -> Arc<tokio::sync::Mutex<()>> {
        let mut queues = self.0.lock();
        queues.share(name, |_| true, tokio::sync::Mutex::default)
    }
}
