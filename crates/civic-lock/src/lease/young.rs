//! Leases whose first renewal is not due yet.
//!
//! Nearly all locks are released long before that. So a lease has no task, and no timer, before its
//! first renewal is due. One task per runtime waits for all of them, and starts the task of each
//! that is still held by then.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, mem};

use tokio::runtime;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use crate::boot_clock;
use crate::lease::end::EndRequest;
use crate::lease::keeper::{Keeper, MAX_SLEEP};
use crate::mutex::Mutex;

/// The leases whose first renewal is not due yet. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct YoungLeases(Arc<Mutex<Groups>>);

#[derive(Default)]
struct Groups {
    by_runtime: HashMap<runtime::Id, Group>,
    /// The number of the next lease.
    next: u64,
}

/// Those of one runtime.
#[derive(Default)]
struct Group {
    leases: BTreeMap<Due, Arc<Mutex<Phase>>>,
    /// What waits for the earliest of them. It ends when there is none, or with its runtime.
    watch: Option<AbortHandle>,
    /// When it looks next.
    looks_at: Duration,
    /// Wakes it when it has to look sooner.
    sooner: Arc<Notify>,
}

/// When the first renewal of a lease is due.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Due {
    /// By the boot clock.
    at: Duration,
    /// Tells two leases apart.
    number: u64,
}

/// A lease, held by its guard.
pub(super) struct Held {
    phase: Arc<Mutex<Phase>>,
    young: YoungLeases,
    runtime: runtime::Id,
    due: Due,
}

/// Who keeps a lease.
pub(super) enum Phase {
    /// No one needs to yet.
    Young(Box<Keeper>),
    /// Its task, which is told to end it.
    Driven(oneshot::Sender<EndRequest>),
    /// It has ended.
    Over,
}

/// What the watch of a group has to do.
enum Step {
    Start(Vec<Arc<Mutex<Phase>>>),
    Wait {
        within: Duration,
        sooner: Arc<Notify>,
    },
    End,
}

// ===== impl YoungLeases =====

impl YoungLeases {
    /// Keeps a lease from when its first renewal is due.
    pub(super) fn add(&self, keeper: Keeper, due: Duration) -> Held {
        let runtime = keeper.runtime.id();
        let handle = keeper.runtime.clone();
        let phase = Arc::new(Mutex::new(Phase::Young(Box::new(keeper))));
        let mut groups = self.0.lock();
        let due = Due {
            at: due,
            number: groups.next,
        };
        groups.next += 1;
        let group = groups.by_runtime.entry(runtime).or_default();
        group.leases.insert(due, phase.clone());
        if group.watch.as_ref().is_none_or(AbortHandle::is_finished) {
            group.looks_at = due.at;
            let watch = handle.spawn(self.clone().watch(runtime));
            group.watch = Some(watch.abort_handle());
        } else if due.at < group.looks_at {
            group.looks_at = due.at;
            group.sooner.notify_one();
        }
        drop(groups);
        Held {
            phase,
            young: self.clone(),
            runtime,
            due,
        }
    }

    /// Starts the tasks of the leases of a runtime when they are due, until there is none.
    async fn watch(self, runtime: runtime::Id) {
        loop {
            match self.step(runtime, boot_clock::now()) {
                Step::Start(due) => due.iter().for_each(|phase| start(phase)),
                Step::Wait { within, sooner } => tokio::select! {
                    // Not for longer, so that it ends soon when no lease is left.
                    () = tokio::time::sleep(within.min(MAX_SLEEP)) => {}
                    () = sooner.notified() => {}
                },
                Step::End => return,
            }
        }
    }

    fn step(&self, runtime: runtime::Id, now: Duration) -> Step {
        let mut groups = self.0.lock();
        let Some(group) = groups.by_runtime.get_mut(&runtime) else {
            return Step::End;
        };
        let number = u64::MAX;
        let later = group.leases.split_off(&Due { at: now, number });
        let due = mem::replace(&mut group.leases, later);
        if !due.is_empty() {
            return Step::Start(due.into_values().collect());
        }
        match group.leases.first_key_value() {
            Some((earliest, _)) => {
                group.looks_at = earliest.at;
                Step::Wait {
                    within: earliest.at.saturating_sub(now),
                    sooner: group.sooner.clone(),
                }
            }
            None => {
                groups.by_runtime.remove(&runtime);
                Step::End
            }
        }
    }
}

impl fmt::Debug for YoungLeases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.0.lock();
        let all = groups.by_runtime.values();
        let count: usize = all.map(|group| group.leases.len()).sum();
        f.debug_tuple("YoungLeases").field(&count).finish()
    }
}

/// Starts the task of a lease, unless it has ended meanwhile.
fn start(phase: &Mutex<Phase>) {
    let mut phase = phase.lock();
    match mem::replace(&mut *phase, Phase::Over) {
        Phase::Young(keeper) => {
            let (end, ended) = oneshot::channel();
            *phase = Phase::Driven(end);
            let runtime = keeper.runtime.clone();
            runtime.spawn(keeper.drive(ended));
        }
        other => *phase = other,
    }
}

// ===== impl Held =====

impl Held {
    /// Takes the lease from its keeper, to end it.
    pub(super) fn take(self) -> Phase {
        let phase = mem::replace(&mut *self.phase.lock(), Phase::Over);
        if matches!(phase, Phase::Young(_))
            && let Some(group) = self.young.0.lock().by_runtime.get_mut(&self.runtime)
        {
            group.leases.remove(&self.due);
        }
        phase
    }
}
