//! Acquires leases, claims ticks and begins executions, and undoes those whose answer was lost.
//!
//! An acquire that gets no answer may have been carried out. Its holder value is then an
//! [orphan](super::orphans), which is undone in the background. Until then, an acquire that finds
//! one of this process's orphans under the key is sent once more and may take it. A lost answer
//! thus never locks out its own process, and one acquire names one orphan at most, however many
//! there are. Each acquisition has its own holder value, so a delayed command of an earlier one
//! cannot affect the lease of a later one.
//!
//! An acquire is carried to its end even if its caller stops waiting, at any await. The lease is
//! then given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::boot_clock;
use crate::delivery::Delivery;
use crate::error::{Error, ErrorKind};
use crate::lease::detached::Detached;
use crate::lease::end::Ending;
use crate::lease::guard::LeaseGuard;
use crate::lease::keeper::Keeper;
use crate::lease::lease::Shared;
use crate::lease::live::{LiveLease, LiveLeases};
use crate::lease::machine::Machine;
use crate::lease::orphans::{Orphan, Orphans};
use crate::lease::young::YoungLeases;
use crate::lock_event::{LockEvent, LockObserver};
use crate::name::LockName;
use crate::store::answer::{Acquired, Claimed};
use crate::store::command::{Acquire, Acquiring, Claim, ClaimDue, ClaimRequest, ClaimTerms};
use crate::store::holder::Holder;
use crate::store::host::Transition;
use crate::store::once::{Begun, OnceBegin, OnceTerms};
use crate::store::redis::Scripted;
use crate::store::store::Store;
use crate::timing::{Timing, Ttl};

/// For how long after its deadline an acquire counts as one that the store may still carry out. The
/// deadline is given to the store by its own clock, which is known only approximately.
const SETTLED_MARGIN: Duration = Duration::from_millis(500);

/// Acquires leases from one store. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Leases(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    max_hold: Duration,
    /// The beginning of every holder value of this process: `<host>:<pid>:<uuid>`.
    identity: String,
    next: AtomicU64,
    orphans: Orphans,
    observer: LockObserver,
    live: LiveLeases,
    young: YoungLeases,
}

/// An acquire without an answer yet: what it takes to make a lease from the answer, or to undo the
/// acquire.
struct Pending {
    name: LockName,
    holder: Holder,
    timing: Timing,
    undo: Ending,
    /// When the acquire was sent.
    sent: Duration,
    live: LiveLease,
}

// ===== impl Leases =====

impl Leases {
    pub(crate) fn new(store: Store, max_hold: Duration, observer: LockObserver) -> Self {
        let (live, young) = (LiveLeases::default(), YoungLeases::default());
        Self::beside(store, max_hold, observer, live, young)
    }

    /// Leases from the same store, with another bound on renewal.
    pub(crate) fn with_max_hold(&self, max_hold: Duration) -> Self {
        let Inner {
            store,
            observer,
            live,
            young,
            ..
        } = &*self.0;
        let (live, young) = (live.clone(), young.clone());
        Self::beside(store.clone(), max_hold, observer.clone(), live, young)
    }

    fn beside(
        store: Store,
        max_hold: Duration,
        observer: LockObserver,
        live: LiveLeases,
        young: YoungLeases,
    ) -> Self {
        let host = rustix::system::uname();
        // Values are separated by spaces where several of them are sent, and by line breaks in
        // replies.
        let host = host.nodename().to_string_lossy();
        let host = host.replace(char::is_whitespace, "-");
        let identity = format!(
            "{host}:{}:{}",
            std::process::id(),
            uuid::Uuid::new_v4().simple()
        );
        Self(Arc::new(Inner {
            store,
            max_hold,
            identity,
            next: AtomicU64::new(1),
            orphans: Orphans::default(),
            observer,
            live,
            young,
        }))
    }

    pub(crate) fn observer(&self) -> &LockObserver {
        &self.0.observer
    }

    /// Those that were not given back yet, of all leases beside these.
    pub(crate) fn live(&self) -> &LiveLeases {
        &self.0.live
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// Returns a holder value that no other acquisition has.
    pub(crate) fn new_holder(&self) -> Holder {
        let n = self.0.next.fetch_add(1, Ordering::Relaxed);
        Holder::new(format!("{}:{n}", self.0.identity))
    }

    /// Tries once to acquire the lock.
    pub(crate) async fn acquire(
        &self,
        name: &LockName,
        ttl: Ttl,
    ) -> Result<Acquired<LeaseGuard>, Error> {
        let (leases, name) = (self.clone(), name.clone());
        Detached::new(Box::pin(async move {
            let pending = leases.begin(name, ttl, Ending::Release { hold: None })?;
            let command = Acquire {
                holder: pending.holder.clone(),
                ttl,
                orphans: Vec::new(),
            };
            match leases.send(&pending, command).await {
                Ok(acquired) => acquired.try_map(|fence| leases.start(pending, fence)),
                Err(error) => Err(leases.undo(pending, error)),
            }
        }))
        .await?
    }

    /// Tries once to claim a tick.
    ///
    /// If the claim is granted, run the tick and then complete the guard. Dropping the guard
    /// abandons an at-least-once tick, so that another replica takes it over, and releases the lock
    /// of an at-most-once tick.
    pub(crate) async fn claim(
        &self,
        name: &LockName,
        ttl: Ttl,
        request: ClaimRequest,
        terms: ClaimTerms,
    ) -> Result<Claimed<LeaseGuard>, Error> {
        let (leases, name) = (self.clone(), name.clone());
        let mut claimed = Detached::new(Box::pin(async move {
            let pending = leases.begin(name, ttl, Ending::Unclaim)?;
            let command = Claim {
                holder: pending.holder.clone(),
                ttl,
                request,
                terms,
                orphans: Vec::new(),
            };
            match leases.send(&pending, command).await {
                Ok(claimed) => claimed.try_map(|fence| leases.start(pending, fence)),
                Err(error) => Err(leases.undo(pending, error)),
            }
        }))
        .await?;
        if let Ok(Claimed::Granted { lease: guard, .. }) = &mut claimed {
            // The caller has the guard: from here on, the work of the tick may have begun.
            guard.on_drop(match request.delivery {
                Delivery::AtLeastOnce => Ending::Abandon,
                Delivery::AtMostOnce => Ending::Release { hold: None },
            });
        }
        claimed
    }

    /// Tries once to claim the run that an operator has asked for. It ends like
    /// [`claim`](Self::claim).
    pub(crate) async fn claim_due(
        &self,
        name: &LockName,
        ttl: Ttl,
        retain: Duration,
        attempts: Option<u32>,
    ) -> Result<Claimed<LeaseGuard>, Error> {
        let (leases, name) = (self.clone(), name.clone());
        let mut claimed = Detached::new(Box::pin(async move {
            let pending = leases.begin(name, ttl, Ending::Unclaim)?;
            let command = ClaimDue {
                holder: pending.holder.clone(),
                ttl,
                retain,
                attempts,
                orphans: Vec::new(),
            };
            match leases.send(&pending, command).await {
                Ok(claimed) => claimed.try_map(|fence| leases.start(pending, fence)),
                Err(error) => Err(leases.undo(pending, error)),
            }
        }))
        .await?;
        if let Ok(Claimed::Granted { lease: guard, .. }) = &mut claimed {
            guard.on_drop(Ending::Abandon);
        }
        claimed
    }

    /// Tries once to begin an execution.
    ///
    /// If it is granted, run the work and then complete or forget the guard. Dropping the guard
    /// releases the key and leaves the record begun: the next one runs the work again, or finds it
    /// in doubt.
    pub(crate) async fn begin_once(
        &self,
        name: &LockName,
        ttl: Ttl,
        terms: OnceTerms,
    ) -> Result<Begun<LeaseGuard>, Error> {
        let (leases, name) = (self.clone(), name.clone());
        let mut begun = Detached::new(Box::pin(async move {
            let pending = leases.begin(name, ttl, Ending::OnceUnbegin)?;
            let command = OnceBegin {
                holder: pending.holder.clone(),
                ttl,
                keep: terms.kept_while_held(ttl, leases.0.max_hold),
                terms,
                orphans: Vec::new(),
            };
            match leases.send(&pending, command).await {
                Ok(begun) => begun.try_map(|fence| leases.start(pending, fence)),
                Err(error) => Err(leases.undo(pending, error)),
            }
        }))
        .await?;
        if let Ok(Begun::Granted { lease: guard, .. }) = &mut begun {
            // The caller has the guard: from here on, the work may have begun.
            guard.on_drop(Ending::Release { hold: None });
        }
        begun
    }

    /// Sends an acquire, and once more if an orphan of this process has the key.
    async fn send<C>(&self, pending: &Pending, command: C) -> Result<C::Answer, Error>
    where
        C: Acquiring + Clone + Scripted + Transition,
    {
        let Inner { store, orphans, .. } = &*self.0;
        let mut answer = store.run(&pending.name, command.clone()).await?;
        let orphan = C::left_by(&answer).and_then(|held| orphans.find(&pending.name, held));
        if let Some(orphan) = orphan {
            let left = store
                .command_timeout()
                .saturating_sub(boot_clock::now().saturating_sub(pending.sent));
            answer = store
                .run_within(left, &pending.name, command.over(orphan))
                .await?;
        }
        if let Some(holder) = C::blocked_by(&answer) {
            self.0.observer.emit(|| LockEvent::Busy {
                name: pending.name.clone(),
                holder: holder.to_owned(),
            });
        }
        Ok(answer)
    }

    fn begin(&self, name: LockName, ttl: Ttl, undo: Ending) -> Result<Pending, Error> {
        let holder = self.new_holder();
        Ok(Pending {
            name,
            timing: Timing::new(ttl, self.0.store.command_timeout())?,
            undo,
            sent: boot_clock::now(),
            live: self.0.live.add(),
            holder,
        })
    }

    /// Begins to keep a lease that was just granted. If the guard is dropped before it reaches the
    /// caller, the acquire is undone.
    fn start(&self, pending: Pending, fence: u64) -> Result<LeaseGuard, Error> {
        let machine = Machine::new(pending.timing, pending.sent, self.0.max_hold);
        if boot_clock::now() >= machine.deadline() {
            // The answer took so long that the lease is already lost.
            let error = Error::timeout(boot_clock::now().saturating_sub(pending.sent));
            return Err(self.undo(pending, error));
        }
        let Pending {
            name,
            holder,
            timing,
            undo,
            sent,
            live,
        } = pending;
        tracing::debug!(%name, holder = holder.as_str(), fence, "lease acquired");
        self.0.observer.emit(|| LockEvent::Acquired {
            name: name.clone(),
            fence,
            took: boot_clock::now().saturating_sub(sent),
        });
        let shared = Arc::new(Shared::new(
            name,
            holder,
            fence,
            timing.ttl,
            machine.deadline(),
        ));
        live.granted(shared.clone());
        let keeper = Keeper {
            store: self.0.store.clone(),
            shared: shared.clone(),
            machine,
            observer: self.0.observer.clone(),
            began: boot_clock::now(),
            runtime: Handle::current(),
            _live: live,
        };
        let held = self.0.young.add(keeper, sent + timing.renew);
        Ok(LeaseGuard::new(shared, held, undo))
    }

    /// Undoes an acquisition that may have been carried out, and returns its error.
    fn undo(&self, pending: Pending, error: Error) -> Error {
        self.0.observer.emit(|| LockEvent::Unavailable {
            name: pending.name.clone(),
            kind: error.kind(),
        });
        // A lock that too few replicas of the store acknowledged is undone too.
        if error.is_ambiguous() || error.kind() == ErrorKind::NotReplicated {
            let within = pending.undo.worth_repeating_for(pending.timing.ttl);
            let orphan = Orphan {
                holder: pending.holder,
                undo: pending.undo,
                // The store carries no command out after the deadline of its caller.
                settled: pending.sent + self.0.store.command_timeout() + SETTLED_MARGIN,
                tries: 0,
                until: boot_clock::now() + within + self.0.store.command_timeout(),
                _live: Arc::new(pending.live),
            };
            let Inner { store, orphans, .. } = &*self.0;
            orphans.add(store, &pending.name, orphan);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::Namespace;
    use crate::store::command::Register;
    use crate::store::host::HostStore;
    use crate::store::settings::Settings;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_claim_takes_the_place_of_an_acquire_of_its_process_whose_answer_was_lost() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings = Settings {
            command_timeout: MINUTE / 6,
            replica_acks: 0,
            namespace: Namespace::default(),
        };
        let store = HostStore::open(Some(folder.path().join("locks")), settings);
        let store = Store::Host(Arc::new(store.expect("a private folder")));
        let leases = Leases::new(store.clone(), MINUTE, LockObserver::default());
        let name = LockName::new("nightly").expect("a valid name");
        let ttl = Ttl::new(MINUTE).expect("a valid ttl");
        let register = Register {
            done: 1000,
            retain: MINUTE,
            schedule: None,
            first: 0,
        };
        store.run(&name, register).await.expect("registered");
        let request = ClaimRequest {
            tick: 2000,
            // The tick is one of 1970.
            grace: Duration::from_secs(10_000_000_000),
            delivery: Delivery::AtLeastOnce,
            max_skew: MINUTE,
            retain: MINUTE,
        };
        for own in [false, true] {
            let holder = leases.new_holder();
            let acquire = Acquire {
                holder: holder.clone(),
                ttl,
                orphans: Vec::new(),
            };
            store.run(&name, acquire).await.expect("carried out");
            if own {
                let orphan = Orphan {
                    _live: Arc::new(leases.live().add()),
                    holder: holder.clone(),
                    undo: Ending::Release { hold: None },
                    settled: Duration::ZERO,
                    tries: 0,
                    until: Duration::MAX,
                };
                leases.0.orphans.keep(&name, orphan);
            }
            let claimed = leases.claim(&name, ttl, request, ClaimTerms::default());
            let claimed = claimed.await.expect("an answer");
            assert_eq!(
                matches!(claimed, Claimed::Granted { .. }),
                own,
                "{claimed:?}"
            );
            let release = Ending::Release { hold: None };
            let _ = release.send(&store, &name, &holder).await;
        }
    }
}
