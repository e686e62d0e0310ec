//! Values that may be under a key although no lease uses them, and how they are taken back.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use crate::boot_clock;
use crate::error::ErrorKind;
use crate::lease::end::Ending;
use crate::lease::keeper::MAX_RETRY_DELAY;
use crate::lease::live::LiveLease;
use crate::lease::pace::Pace;
use crate::mutex::Mutex;
use crate::name::LockName;
use crate::store::answer::Ownership;
use crate::store::holder::Holder;
use crate::store::store::Store;
use crate::timing::Backoff;

/// The values of this process that may be under a key although no lease uses them. Cheap to clone.
///
/// An acquire whose answer was lost may have been carried out, so its value is an orphan. One task
/// per name takes its orphans back until that is confirmed, or until it is worth no more. That
/// there is nothing to take back confirms it only when the acquire cannot be carried out any more:
/// it may be overtaken by its own undo. A value whose acquire was never sent is none, and neither
/// is one that a lease uses, or one that is kept for a minimum hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Orphans {
    families: Arc<Mutex<HashMap<LockName, Family>>>,
    /// A store whose answers were lost has many orphans, and may still be slow.
    pace: Arc<Pace>,
}

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
    /// By the boot clock. Until then the acquire may still be carried out.
    pub(super) settled: Duration,
    /// How often its undo was sent: those that were tried less often come first.
    pub(super) tries: u32,
    /// From then on it is left as it is: the key has expired by itself.
    pub(super) until: Duration,
    /// Until it is taken back, the end of the process has something to wait for.
    pub(super) _live: Arc<LiveLease>,
}

// ===== impl Orphans =====

impl Orphans {
    /// Returns the orphan of a name whose value is this one.
    pub(super) fn find(&self, name: &LockName, value: &str) -> Option<Holder> {
        let all = self.families.lock();
        let (holder, _) = all.get(name)?.orphans.get_key_value(value)?;
        Some(holder.clone())
    }

    /// Adds an orphan, and starts the task that takes it back if there is none.
    pub(super) fn add(&self, store: &Store, name: &LockName, orphan: Orphan) {
        let mut all = self.families.lock();
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
        let mut all = self.families.lock();
        let family = all.entry(name.clone()).or_default();
        family.orphans.insert(orphan.holder.clone(), orphan);
    }

    async fn take_back(self, store: Store, name: LockName) {
        let mut backoff = Backoff::new(MAX_RETRY_DELAY);
        while let Some(turn) = self.pace.turn().await
            && let Some(orphan) = self.next(&name)
        {
            let sent = boot_clock::now();
            match orphan.undo.send(&store, &name, &orphan.holder).await {
                Ok(ended) if ended.ownership() == Ownership::Ours || sent >= orphan.settled => {
                    self.pace.answered();
                    self.remove(&name, &orphan.holder);
                    backoff = Backoff::new(MAX_RETRY_DELAY);
                }
                // There is nothing to undo yet, and the acquire may still arrive.
                Ok(_) => {
                    self.pace.answered();
                    drop(turn);
                    let left = orphan.settled.saturating_sub(boot_clock::now());
                    tokio::time::sleep(backoff.wait().min(left)).await;
                }
                Err(error) => {
                    tracing::debug!(
                        %name,
                        %error,
                        "an acquire whose answer was lost is not undone yet"
                    );
                    if error.kind() == ErrorKind::WrongType {
                        // It is about this name only, and the others do not wait for it.
                        drop(turn);
                        tokio::time::sleep(backoff.wait()).await;
                    } else {
                        self.pace.failed(turn).await;
                    }
                }
            }
        }
    }

    /// Returns the next one to take back. `None` ends the task: the name is removed under the same
    /// lock.
    fn next(&self, name: &LockName) -> Option<Orphan> {
        let now = boot_clock::now();
        let mut all = self.families.lock();
        let family = all.get_mut(name)?;
        family.orphans.retain(|_, orphan| now < orphan.until);
        let next = family
            .orphans
            .values_mut()
            .min_by_key(|orphan| orphan.tries);
        let next = next.map(|orphan| {
            orphan.tries = orphan.tries.saturating_add(1);
            orphan.clone()
        });
        if next.is_none() {
            all.remove(name);
        }
        next
    }

    fn remove(&self, name: &LockName, holder: &Holder) {
        if let Some(family) = self.families.lock().get_mut(name) {
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use civic_testkit::redis::RedisServer;

    use super::*;
    use crate::delivery::Delivery;
    use crate::lease::live::LiveLeases;
    use crate::lease::pace::AT_A_TIME;
    use crate::namespace::Namespace;
    use crate::store::host::HostStore;
    use crate::store::once::{Begun, Detail, OnceBegin, OncePeek, OnceTerms};
    use crate::store::redis::RedisStore;
    use crate::store::settings::Settings;
    use crate::timing::Ttl;

    const MINUTE: Duration = Duration::from_secs(60);

    /// An execution whose begin got no answer, on one store.
    struct Case {
        store: Store,
        name: LockName,
        holder: Holder,
        orphans: Orphans,
    }

    impl Case {
        fn new(store: Store) -> Self {
            Self {
                store,
                name: LockName::new("once:payment").expect("a valid name"),
                holder: Holder::new("pod:1:1"),
                orphans: Orphans::default(),
            }
        }

        fn add(&self, settled: Duration) {
            let orphan = Orphan {
                _live: Arc::new(LiveLeases::default().add()),
                holder: self.holder.clone(),
                undo: Ending::OnceUnbegin,
                settled,
                tries: 0,
                until: Duration::MAX,
            };
            self.orphans.add(&self.store, &self.name, orphan);
        }

        async fn begin(&self) -> Begun<u64> {
            let begin = OnceBegin {
                holder: self.holder.clone(),
                ttl: Ttl::new(MINUTE).expect("a valid ttl"),
                keep: MINUTE,
                terms: OnceTerms {
                    delivery: Delivery::AtMostOnce,
                    fingerprint: String::new(),
                    retain: MINUTE,
                },
                orphans: Vec::new(),
            };
            self.store.run(&self.name, begin).await.expect("begin")
        }

        /// How often its undo was sent; `None` if it is no orphan any more.
        fn tries(&self) -> Option<u32> {
            let all = self.orphans.families.lock();
            let orphan = all.get(&self.name)?.orphans.get(self.holder.as_str())?;
            Some(orphan.tries)
        }

        async fn until(&self, is_so: impl Fn(Option<u32>) -> bool) {
            while !is_so(self.tries()) {
                tokio::task::yield_now().await;
            }
        }
    }

    async fn on_each_store(case: impl AsyncFn(Case)) {
        let settings = || Settings {
            command_timeout: Duration::from_secs(10),
            replica_acks: 0,
            namespace: Namespace::default(),
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let host = HostStore::open(Some(folder.path().join("locks")), settings());
        case(Case::new(Store::Host(Arc::new(
            host.expect("a private folder"),
        ))))
        .await;
        let server = RedisServer::start().await;
        let redis = RedisStore::new(&server.url(), settings());
        case(Case::new(Store::Redis(Arc::new(
            redis.expect("a valid URL"),
        ))))
        .await;
    }

    #[tokio::test]
    async fn a_begin_that_is_overtaken_by_its_own_undo_is_taken_back_when_it_arrives() {
        on_each_store(async |case| {
            case.add(boot_clock::now() + MINUTE);
            // The second is sent when the first was answered: there was nothing to undo.
            case.until(|tries| tries.is_none_or(|tries| tries >= 2))
                .await;
            let begun = case.begin().await;
            assert!(matches!(begun, Begun::Granted { .. }), "{begun:?}");
            case.until(|tries| tries.is_none()).await;
            let detail = Detail::State;
            let peeked = case.store.run(&case.name, OncePeek { detail }).await;
            let peeked = peeked.expect("peek");
            assert_eq!((peeked.execution, peeked.holder), (None, None));
        })
        .await;
    }

    #[tokio::test]
    async fn what_was_not_carried_out_by_its_deadline_is_no_orphan_any_more() {
        on_each_store(async |case| {
            case.add(Duration::ZERO);
            case.until(|tries| tries.is_none()).await;
        })
        .await;
    }

    /// The orphans of 100 names on a store of the host.
    fn many(folder: &tempfile::TempDir) -> Orphans {
        let settings = Settings {
            command_timeout: MINUTE,
            replica_acks: 0,
            namespace: Namespace::default(),
        };
        let store = HostStore::open(Some(folder.path().join("locks")), settings);
        let store = Store::Host(Arc::new(store.expect("a private folder")));
        let orphans = Orphans::default();
        for number in 0..100 {
            let name = LockName::new(format!("once:{number}")).expect("a valid name");
            let holder = Holder::new("pod:1:1");
            let orphan = Orphan {
                _live: Arc::new(LiveLeases::default().add()),
                holder,
                undo: Ending::OnceUnbegin,
                settled: Duration::ZERO,
                tries: 0,
                until: Duration::MAX,
            };
            orphans.add(&store, &name, orphan);
        }
        orphans
    }

    /// How often an undo was sent.
    fn sent(orphans: &Orphans) -> u32 {
        let all = orphans.families.lock();
        let orphans = all.values().flat_map(|family| family.orphans.values());
        orphans.map(|orphan| orphan.tries).sum()
    }

    #[tokio::test]
    async fn a_slow_store_gets_few_undo_commands_at_a_time_and_in_the_end_all_of_them() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let few = AT_A_TIME as u32;
        // A process that is stopped has every guard.
        fs::create_dir(folder.path().join("locks")).expect("a folder");
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(folder.path().join("locks"), private).expect("its mode");
        let guards: Vec<fs::File> = (0..64)
            .map(|number| {
                let path = folder.path().join(format!("locks/guard-{number:02x}"));
                let guard = fs::File::create(path).expect("a guard");
                guard.lock().expect("it is free");
                guard
            })
            .collect();
        let orphans = many(&folder);
        while sent(&orphans) < few {
            tokio::task::yield_now().await;
        }
        for _ in 0..1000 {
            tokio::task::yield_now().await;
            assert_eq!(sent(&orphans), few);
        }
        drop(guards);
        while !orphans.families.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_is_asked_for_undo_commands_at_one_pace() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let orphans = many(&folder);
        drop(folder);
        tokio::time::sleep(Duration::from_secs(10)).await;
        // Each turn takes a second at least, after its first five.
        let sent = sent(&orphans);
        assert!(sent >= 10, "{sent}: it goes on");
        assert!(
            sent <= AT_A_TIME as u32 * 15,
            "{sent}: each name on its own"
        );
    }
}
