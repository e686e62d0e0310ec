//! What happens to the locks of a process, for its metrics.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::error::ErrorKind;
use crate::lease::machine::LostReason;
use crate::name::LockName;
use crate::once::event::OnceEvent;
use crate::once::key::OnceKey;

/// What happened to a lock in this process.
///
/// Given to the observer that [`LockServiceBuilder::on_event`](crate::LockServiceBuilder::on_event)
/// sets. The locks of scheduled jobs are among them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LockEvent {
    /// A caller waits for a lock that is held.
    Waiting {
        /// The name of the lock that it is about.
        name: LockName,
        /// How many callers of this process wait for it, this one included.
        contenders: usize,
    },
    /// The lock was acquired.
    Acquired {
        /// The name of the lock that it is about.
        name: LockName,
        /// The fencing token.
        fence: u64,
        /// How long the store took to grant it.
        took: Duration,
    },
    /// Another holder has the lock.
    Busy {
        /// The name of the lock that it is about.
        name: LockName,
        /// The value under the key.
        holder: String,
    },
    /// The store could not be asked for the lock.
    Unavailable {
        /// The name of the lock that it is about.
        name: LockName,
        /// Why it could not be asked.
        kind: ErrorKind,
    },
    /// A renewal was confirmed.
    Renewed {
        /// The name of the lock that it is about.
        name: LockName,
        /// How much time was left until the lease would have been lost. It is two thirds of the ttl
        /// or less; alarm when it comes close to zero.
        margin: Duration,
    },
    /// The lease has ended.
    Ended {
        /// The name of the lock that it is about.
        name: LockName,
        /// For how long it was held.
        held: Duration,
        /// [`LostReason::Released`] if it was given back, and why it was lost otherwise.
        reason: LostReason,
    },
    /// Something happened to an execution under [`once`](crate::LockService::once). The lease that
    /// its work runs under has events of its own, with the name `once:<key>`.
    Once {
        /// The key. Keys are made from requests: do not make them a label of a metric.
        key: OnceKey,
        /// What happened. Its [name](OnceEvent::as_str) is one of a fixed few.
        event: OnceEvent,
        /// Which attempt it is about. 0 if that is not known.
        attempt: u32,
    },
}

/// The observer of the events. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct LockObserver(Option<Arc<dyn Fn(&LockEvent) + Send + Sync>>);

// ===== impl LockObserver =====

impl LockObserver {
    pub(crate) fn new(observer: impl Fn(&LockEvent) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observer)))
    }

    /// Calls the observer, whose panics stay there.
    pub(crate) fn emit(&self, event: impl FnOnce() -> LockEvent) {
        if let Some(observer) = &self.0
            && catch_unwind(AssertUnwindSafe(|| observer(&event()))).is_err()
        {
            tracing::error!("the observer of lock events panicked");
        }
    }
}

impl fmt::Debug for LockObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "LockObserver"
        } else {
            "none"
        })
    }
}
