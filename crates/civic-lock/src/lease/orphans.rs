//! Values that may be under a key although no lease uses them, and how they are taken back.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::boot_clock;
use crate::lease::end::Ending;
use crate::lease::live::LiveLease;
use crate::lease::task::MAX_RETRY_DELAY;
use crate::mutex::Mutex;
use crate::name::LockName;
use crate::store::holder::Holder;
use crate::store::store::Store;
use crate::timing::Backoff;

/// The values of this process that may be under a key although no lease uses them. Cheap to clone.
///
/// An acquire whose answer was lost may have been carried out, so its value is an orphan. One task
/// per name takes its orphans back until that is confirmed, or until their ttl has passed. A value
/// whose acquire was never sent is none, and neither is one that a lease uses, or one that is kept
/// for a minimum hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Orphans(Arc<Mutex<HashMap<LockName, Family>>>);

/// The orphans of one name.
#[derive(Debug, Default)]
struct Family {
    orphans: HashMap<Holder, Orphan>,
    /// What takes them back. It ends with its runtime, and then the next orphan starts another one.
    task: Option<AbortHandle>,
}

#[derive(Clone, Debug)]
pub(super) struct Orphan {
    pub(super) holder: Holder,
    /// What takes it back.
    pub(super) undo: Ending,
    /// From then on it is left as it is: the key has expired by itself.
    pub(super) until: Duration,
    /// Until it is taken back, the end of the process has something to wait for.
    pub(super) _live: Arc<LiveLease>,
}

// ===== impl Orphans =====

impl Orphans {
    /// Returns the orphan of a name whose value is this one.
    pub(super) fn find(&self, name: &LockName, value: &str) -> Option<Holder> {
        let all = self.0.lock();
        let (holder, _) = all.get(name)?.orphans.get_key_value(value)?;
        Some(holder.clone())
    }

    /// Adds an orphan, and starts the task that takes it back if there is none.
    pub(super) fn add(&self, store: &Store, name: &LockName, orphan: Orphan) {
        let mut all = self.0.lock();
        let family = all.entry(name.clone()).or_default();
        family.orphans.insert(orphan.holder.clone(), orphan);
        if family.task.as_ref().is_none_or(AbortHandle::is_finished) {
            let task = tokio::spawn(self.clone().take_back(store.clone(), name.clone()));
            family.task = Some(task.abort_handle());
        }
    }

    /// Adds an orphan that is not taken back: its undo does not get through.
    #[cfg(test)]
    pub(super) fn keep(&self, name: &LockName, orphan: Orphan) {
        let mut all = self.0.lock();
        let family = all.entry(name.clone()).or_default();
        family.orphans.insert(orphan.holder.clone(), orphan);
    }

    async fn take_back(self, store: Store, name: LockName) {
        let mut backoff = Backoff::new(MAX_RETRY_DELAY);
        while let Some(orphan) = self.next(&name) {
            match orphan.undo.send(&store, &name, &orphan.holder).await {
                Ok(_) => {
                    self.remove(&name, &orphan.holder);
                    backoff = Backoff::new(MAX_RETRY_DELAY);
                }
                Err(error) => {
                    tracing::debug!(
                        %name,
                        %error,
                        "an acquire whose answer was lost is not undone yet"
                    );
                    tokio::time::sleep(backoff.wait()).await;
                }
            }
        }
    }

    /// Returns the next one to take back. `None` ends the task: the name is removed under the same
    /// lock.
    fn next(&self, name: &LockName) -> Option<Orphan> {
        let now = boot_clock::now();
        let mut all = self.0.lock();
        let family = all.get_mut(name)?;
        family.orphans.retain(|_, orphan| now < orphan.until);
        let next = family.orphans.values().next().cloned();
        if next.is_none() {
            all.remove(name);
        }
        next
    }

    fn remove(&self, name: &LockName, holder: &Holder) {
        if let Some(family) = self.0.lock().get_mut(name) {
            family.orphans.remove(holder);
        }
    }
}

// ===== impl Holder =====

impl Borrow<str> for Holder {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}
