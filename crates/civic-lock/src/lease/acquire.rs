//! Takes leases, and undoes what a lost answer has left behind.
//!
//! An acquire that gets no answer may have been carried out. Its value is then *abandoned*: a task
//! takes it back until that is confirmed, or until its ttl has passed; and every further acquire of
//! this process carries the abandoned values along, so that a lost answer never keeps its own
//! process out. Each acquisition has a value of its own: a late command of an old one can never
//! touch the lease of a new one.
//!
//! The acquire itself runs in a task of its own. A caller that stops waiting, at whichever await,
//! leaves nothing behind.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::boot_clock;
use crate::delivery::Delivery;
use crate::error::{Error, ErrorKind};
use crate::lease::end::Ending;
use crate::lease::guard::LeaseGuard;
use crate::lease::lease::Shared;
use crate::lease::machine::Machine;
use crate::lease::task;
use crate::name::LockName;
use crate::store::answer::{Acquired, Claimed};
use crate::store::holder::Holder;
use crate::store::request::ClaimRequest;
use crate::store::store::Store;
use crate::timing::{Backoff, Timing, Ttl};

/// Takes leases from one store. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Keeper(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    max_hold: Duration,
    /// `<host>:<pid>:<uuid>`.
    identity: String,
    next: AtomicU64,
    abandoned: Mutex<HashMap<LockName, Vec<Abandoned>>>,
}

#[derive(Clone, Debug)]
struct Abandoned {
    holder: Holder,
    undo: Ending,
    /// The key has expired by itself.
    until: Duration,
}

/// The outcome of [`Keeper::take`].
#[derive(Debug)]
pub(crate) enum Taken {
    Taken(LeaseGuard),
    Busy {
        holder: String,
        ttl: Option<Duration>,
    },
}

/// The outcome of [`Keeper::claim`]; the same as the store's [`Claimed`], with a lease.
#[derive(Debug)]
pub(crate) enum ClaimOutcome {
    /// Run `tick`, then `guard.complete(tick, hold)`. Dropping the guard abandons the tick:
    /// somebody else takes it over.
    Claimed {
        guard: LeaseGuard,
        tick: u64,
        attempt: u32,
        done: u64,
    },
    AlreadyDone {
        done: u64,
    },
    Running {
        holder: String,
        ttl: Option<Duration>,
        tick: Option<u64>,
    },
    ClockAhead {
        now: u64,
    },
    TooLate {
        tick: u64,
        done: u64,
    },
    Unregistered {
        now: u64,
    },
}

impl Keeper {
    pub(crate) fn new(store: Store, max_hold: Duration) -> Self {
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy();
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
            abandoned: Mutex::default(),
        }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// A value that was never used and never will be again.
    pub(crate) fn new_holder(&self) -> Holder {
        let n = self.0.next.fetch_add(1, Ordering::Relaxed);
        Holder::new(format!("{}:{n}", self.0.identity))
    }

    /// Takes the lock once.
    pub(crate) async fn take(&self, name: &LockName, ttl: Ttl) -> Result<Taken, Error> {
        let timing = Timing::new(ttl, self.0.store.command_timeout())?;
        let (keeper, name) = (self.clone(), name.clone());
        answered_by_a_task(Box::pin(async move { keeper.take_now(name, timing).await })).await
    }

    async fn take_now(&self, name: LockName, timing: Timing) -> Result<Taken, Error> {
        let undo = Ending::Release { hold: None };
        let holder = self.new_holder();
        let abandoned = self.abandoned_values(&name);
        let sent = boot_clock::now();
        let acquired = self
            .0
            .store
            .acquire(&name, &holder, timing.ttl, &abandoned)
            .await;
        match acquired {
            Ok(Acquired::Acquired { fence }) => self
                .guard(name, holder, timing, sent, fence, undo)
                .map(Taken::Taken),
            Ok(Acquired::Busy { holder, ttl }) => Ok(Taken::Busy { holder, ttl }),
            Err(error) => {
                self.failed(&name, holder, timing, undo, &error);
                Err(error)
            }
        }
    }

    /// Claims a tick once.
    pub(crate) async fn claim(
        &self,
        name: &LockName,
        ttl: Ttl,
        request: ClaimRequest,
    ) -> Result<ClaimOutcome, Error> {
        let timing = Timing::new(ttl, self.0.store.command_timeout())?;
        let (keeper, name) = (self.clone(), name.clone());
        let mut outcome = answered_by_a_task(Box::pin(async move {
            keeper.claim_now(name, timing, request).await
        }))
        .await;
        if let Ok(ClaimOutcome::Claimed { guard, .. }) = &mut outcome {
            // It has arrived: from here on its work may have begun.
            guard.on_drop(match request.delivery {
                Delivery::AtLeastOnce => Ending::Abandon,
                Delivery::AtMostOnce => Ending::Release { hold: None },
            });
        }
        outcome
    }

    async fn claim_now(
        &self,
        name: LockName,
        timing: Timing,
        request: ClaimRequest,
    ) -> Result<ClaimOutcome, Error> {
        let holder = self.new_holder();
        let abandoned = self.abandoned_values(&name);
        let sent = boot_clock::now();
        let claimed = self
            .0
            .store
            .claim(&name, &holder, timing.ttl, request, &abandoned)
            .await;
        Ok(match claimed {
            Ok(Claimed::Claimed {
                tick,
                fence,
                attempt,
                done,
            }) => ClaimOutcome::Claimed {
                guard: self.guard(name, holder, timing, sent, fence, Ending::Unclaim)?,
                tick,
                attempt,
                done,
            },
            Ok(Claimed::AlreadyDone { done }) => ClaimOutcome::AlreadyDone { done },
            Ok(Claimed::Running { holder, ttl, tick }) => {
                ClaimOutcome::Running { holder, ttl, tick }
            }
            Ok(Claimed::ClockAhead { now }) => ClaimOutcome::ClockAhead { now },
            Ok(Claimed::TooLate { tick, done }) => ClaimOutcome::TooLate { tick, done },
            Ok(Claimed::Unregistered { now }) => ClaimOutcome::Unregistered { now },
            Err(error) => {
                self.failed(&name, holder, timing, Ending::Unclaim, &error);
                return Err(error);
            }
        })
    }

    /// Starts the task of a lease that was just taken.
    fn guard(
        &self,
        name: LockName,
        holder: Holder,
        timing: Timing,
        sent: Duration,
        fence: u64,
        on_drop: Ending,
    ) -> Result<LeaseGuard, Error> {
        let machine = Machine::new(timing, sent, self.0.max_hold);
        if boot_clock::now() >= machine.deadline() {
            // The answer took so long that the lease is lost already.
            let error = Error::timeout(boot_clock::now().saturating_sub(sent));
            self.failed(&name, holder, timing, on_drop, &error);
            return Err(error);
        }
        tracing::debug!(%name, holder = holder.as_str(), fence, "lease taken");
        let shared = Arc::new(Shared::new(
            name,
            holder,
            fence,
            timing.ttl,
            machine.deadline(),
        ));
        let (end, ended) = oneshot::channel();
        tokio::spawn(task::drive(
            self.0.store.clone(),
            shared.clone(),
            machine,
            ended,
        ));
        Ok(LeaseGuard::new(shared, end, on_drop))
    }

    fn abandoned_values(&self, name: &LockName) -> Vec<Holder> {
        let abandoned = self.abandoned();
        abandoned
            .get(name)
            .map(|all| all.iter().map(|one| one.holder.clone()).collect())
            .unwrap_or_default()
    }

    fn failed(&self, name: &LockName, holder: Holder, timing: Timing, undo: Ending, error: &Error) {
        // Too few replicas have it: then nobody is to have it.
        if !error.is_ambiguous() && error.kind() != ErrorKind::NotReplicated {
            return;
        }
        let until = boot_clock::now() + timing.ttl.get() + self.0.store.command_timeout();
        let mut abandoned = self.abandoned();
        let all = abandoned.entry(name.clone()).or_default();
        let first = all.is_empty();
        all.push(Abandoned {
            holder,
            undo,
            until,
        });
        if first {
            tokio::spawn(self.clone().undo(name.clone()));
        }
    }

    /// Takes back the abandoned values of one name; one task a name.
    async fn undo(self, name: LockName) {
        let mut backoff = Backoff::new(task::LONGEST_RETRY);
        loop {
            let Some(one) = self.next_abandoned(&name) else {
                return;
            };
            match task::send(&self.0.store, &name, &one.holder, one.undo).await {
                Ok(_) => {
                    self.forget(&name, &one.holder);
                    backoff = Backoff::new(task::LONGEST_RETRY);
                }
                Err(error) => {
                    tracing::debug!(%name, %error, "an abandoned acquire is not taken back yet");
                    tokio::time::sleep(backoff.wait()).await;
                }
            }
        }
    }

    /// The next one to take back. None ends the task: the name is removed under the same lock.
    fn next_abandoned(&self, name: &LockName) -> Option<Abandoned> {
        let now = boot_clock::now();
        let mut abandoned = self.abandoned();
        let all = abandoned.get_mut(name)?;
        all.retain(|one| now < one.until);
        let next = all.first().cloned();
        if next.is_none() {
            abandoned.remove(name);
        }
        next
    }

    fn forget(&self, name: &LockName, holder: &Holder) {
        if let Some(all) = self.abandoned().get_mut(name) {
            all.retain(|one| one.holder != *holder);
        }
    }

    fn abandoned(&self) -> std::sync::MutexGuard<'_, HashMap<LockName, Vec<Abandoned>>> {
        // Every change under the lock is one call: a panic cannot leave half of one behind.
        self.0
            .abandoned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs it to its end whether or not the caller waits for it. A guard that nobody receives is
/// dropped, which gives the lease back.
async fn answered_by_a_task<T: Send + 'static>(
    work: Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>,
) -> Result<T, Error> {
    let (answer, answered) = oneshot::channel();
    tokio::spawn(async move {
        let _ = answer.send(work.await);
    });
    answered.await.unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Connection,
            "the runtime is shutting down",
        ))
    })
}
