//! The leases of a process that were not given back yet.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::lease::lease::Shared;
use crate::lease::machine::LostReason;
use crate::mutex::Mutex;

/// The leases of a process that were not given back yet, the acquires that have no answer yet, and
/// those whose answer was lost and that are not undone yet. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct LiveLeases(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// `None` before the acquire is answered, and after its answer was lost.
    leases: Mutex<HashMap<u64, Option<Arc<Shared>>>>,
    next: AtomicU64,
    ended: Notify,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct LiveLease {
    all: LiveLeases,
    number: u64,
}

// ===== impl LiveLeases =====

impl LiveLeases {
    pub(super) fn add(&self) -> LiveLease {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.leases.lock().insert(number, None);
        LiveLease {
            all: self.clone(),
            number,
        }
    }

    /// Waits until there is none.
    pub(crate) async fn all_ended(&self) {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.len() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Tells the holder of each lease that it has to end.
    pub(crate) fn tell(&self) {
        let leases: Vec<_> = self.0.leases.lock().values().flatten().cloned().collect();
        for lease in leases {
            lease.mark_ended(LostReason::Released);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.leases.lock().len()
    }
}

impl fmt::Debug for LiveLeases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveLeases").field(&self.len()).finish()
    }
}

// ===== impl LiveLease =====

impl LiveLease {
    /// The acquire was granted.
    pub(super) fn granted(&self, lease: Arc<Shared>) {
        let mut leases = self.all.0.leases.lock();
        leases.insert(self.number, Some(lease));
    }
}

impl Drop for LiveLease {
    fn drop(&mut self) {
        self.all.0.leases.lock().remove(&self.number);
        self.all.0.ended.notify_waiters();
    }
}
