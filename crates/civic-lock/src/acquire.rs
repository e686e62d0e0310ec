//! Takes a lock once, or waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::lease::acquire::{Keeper, Taken};
use crate::lease::guard::LeaseGuard;
use crate::lease::lease::Lease;
use crate::name::LockName;
use crate::outcome::{Acquisition, OnUnavailable};
use crate::timing::{Ttl, jitter};

/// A waiter looks at least this often, on average twice: a hint can be lost.
const POLL_CAP: Duration = Duration::from_secs(1);
const POLL_MIN: Duration = Duration::from_millis(20);

/// Takes locks from one store. Cheap to clone; the copies share their queues.
#[derive(Clone, Debug)]
pub(crate) struct Acquirer {
    keeper: Keeper,
    on_unavailable: OnUnavailable,
    queues: Queues,
}

impl Acquirer {
    pub(crate) fn new(keeper: Keeper, on_unavailable: OnUnavailable) -> Self {
        Self {
            keeper,
            on_unavailable,
            queues: Queues::default(),
        }
    }

    pub(crate) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    pub(crate) fn on_unavailable(&self) -> OnUnavailable {
        self.on_unavailable
    }

    pub(crate) async fn take_once(&self, name: &LockName, ttl: Ttl) -> Acquisition {
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

    pub(crate) async fn take_within(
        &self,
        name: &LockName,
        ttl: Ttl,
        within: Duration,
    ) -> Acquisition {
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
