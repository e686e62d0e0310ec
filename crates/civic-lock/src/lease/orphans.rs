//! Holder values that may be stored under a key although no lease uses them, and how they are
//! removed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::boot_clock;
use crate::lease::end::Ending;
use crate::lease::task::MAX_RETRY_DELAY;
use crate::mutex::Mutex;
use crate::name::LockName;
use crate::store::holder::Holder;
use crate::store::store::Store;
use crate::timing::Backoff;

/// The holder values of this process that may be stored under a key although no lease uses them.
/// Cheap to clone.
///
/// An acquire whose answer was lost may have been carried out, so its holder value is an orphan.
/// One task per lock name undoes each such acquire, until the store confirms that or the ttl has
/// passed.
#[derive(Clone, Debug, Default)]
pub(super) struct Orphans(Arc<Mutex<HashMap<LockName, Vec<Orphan>>>>);

#[derive(Clone, Debug)]
pub(super) struct Orphan {
    pub(super) holder: Holder,
    /// The command that undoes the acquire.
    pub(super) undo: Ending,
    /// From this moment on, the key has expired by itself.
    pub(super) until: Duration,
}

impl Orphans {
    /// Returns the orphans of a lock, which the next acquire passes to the store.
    pub(super) fn holders(&self, name: &LockName) -> Vec<Holder> {
        self.0
            .lock()
            .get(name)
            .map(|orphans| orphans.iter().map(|orphan| orphan.holder.clone()).collect())
            .unwrap_or_default()
    }

    /// Adds an orphan, and starts the task that undoes it unless the lock already has such a task.
    pub(super) fn add(&self, store: &Store, name: &LockName, orphan: Orphan) {
        let mut all = self.0.lock();
        let orphans = all.entry(name.clone()).or_default();
        let is_first = orphans.is_empty();
        orphans.push(orphan);
        if is_first {
            tokio::spawn(self.clone().take_back(store.clone(), name.clone()));
        }
    }

    async fn take_back(self, store: Store, name: LockName) {
        let mut backoff = Backoff::new(MAX_RETRY_DELAY);
        while let Some(orphan) = self.next(&name) {
            match orphan
                .undo
                .clone()
                .send(&store, &name, &orphan.holder)
                .await
            {
                Ok(_) => {
                    self.remove(&name, &orphan.holder);
                    backoff = Backoff::new(MAX_RETRY_DELAY);
                }
                Err(error) => {
                    tracing::debug!(
                        %name,
                        %error,
                        "an acquire whose answer was lost could not be undone yet"
                    );
                    tokio::time::sleep(backoff.wait()).await;
                }
            }
        }
    }

    /// Returns the next orphan to undo. `None` ends the task: the name is removed while the mutex
    /// is still locked, so an orphan that is added later starts a new task.
    fn next(&self, name: &LockName) -> Option<Orphan> {
        let now = boot_clock::now();
        let mut all = self.0.lock();
        let orphans = all.get_mut(name)?;
        orphans.retain(|orphan| now < orphan.until);
        let next = orphans.first().cloned();
        if next.is_none() {
            all.remove(name);
        }
        next
    }

    fn remove(&self, name: &LockName, holder: &Holder) {
        if let Some(orphans) = self.0.lock().get_mut(name) {
            orphans.retain(|orphan| orphan.holder != *holder);
        }
    }
}
