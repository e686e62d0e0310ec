//! Who leads, as seen from any process.

use std::future::pending;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::election::pace::{MAX_LOOK, after_hint, next_look};
use crate::error::Error;
use crate::name::LockName;
use crate::store::answer::Peeked;
use crate::store::command::Peek;
use crate::store::peer::is_own_form;
use crate::store::store::Store;
use crate::timing::{Backoff, Ttl};

/// A watch of who leads. Made by [`Election::observe`](crate::Election::observe). Cheap to clone;
/// the copies share one watch of the store.
///
/// It looks at the store when a leader resigns, when the leader's lease can have ended, and
/// otherwise every 2.5 s to 5 s.
#[derive(Clone, Debug)]
pub struct Observer {
    seen: watch::Receiver<Observation>,
    _watch: Arc<Watch>,
}

/// Says who leads.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Observation {
    /// It is not known: the store was not asked yet, or it has not answered since the lease of the
    /// last leader can have ended.
    Unknown,
    /// No one leads.
    NoOne,
    /// This one leads.
    Leader(Leader),
}

/// A leader, as the store knows it. One whose election was not answered in time does not lead,
/// and is given up within its ttl.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Leader {
    /// The value that tells it from all others, `<host>:<pid>:<uuid>:<n>`: see
    /// [`Lease::holder`](crate::Lease::holder). A peer that is not of this crate has another form.
    pub holder: String,
    /// Its fencing token. `None` for a peer that is not of this crate and has none, or if the store
    /// has forgotten it.
    pub fence: Option<u64>,
}

/// The task that looks. It ends when this is dropped.
#[derive(Debug)]
struct Watch(AbortHandle);

// ===== impl Observer =====

impl Observer {
    pub(super) fn start(store: Store, name: &LockName, ttl: Ttl) -> Result<Self, Error> {
        let runtime = Handle::try_current().map_err(|_| Error::no_runtime())?;
        let (sender, seen) = watch::channel(Observation::Unknown);
        let task = runtime.spawn(look(store, name.clone(), ttl, sender));
        Ok(Self {
            seen,
            _watch: Arc::new(Watch(task.abort_handle())),
        })
    }

    /// Returns who leads, as far as is known.
    #[must_use]
    pub fn current(&self) -> Observation {
        self.seen.borrow().clone()
    }

    /// Waits until someone else leads, or no one, and returns it. The first call returns what is
    /// seen first. Changes that came since the last call count as one.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a change that was not returned is returned by the next call.
    pub async fn changed(&mut self) -> Observation {
        if self.seen.changed().await.is_err() {
            // The runtime of the watch has ended.
            pending::<()>().await;
        }
        self.seen.borrow_and_update().clone()
    }
}

// ===== impl Observation =====

impl Observation {
    fn new(peeked: Peeked) -> Self {
        match peeked.holder {
            None => Self::NoOne,
            Some(holder) => Self::Leader(Leader {
                // The last fence belongs to the last holder that takes one.
                fence: Some(peeked.fence).filter(|&fence| fence > 0 && is_own_form(&holder)),
                holder,
            }),
        }
    }
}

// ===== impl Watch =====

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look(store: Store, name: LockName, ttl: Ttl, seen: watch::Sender<Observation>) {
    let mut hints = store.hints(&name);
    let mut failures = Backoff::new(MAX_LOOK);
    let mut vacancy = Backoff::new(MAX_LOOK);
    // Until then, what was seen last holds.
    let mut valid_until = Instant::now();
    loop {
        let asked = Instant::now();
        let pause = match store.run(&name, Peek).await {
            Ok(peeked) => {
                failures = Backoff::new(MAX_LOOK);
                let left = peeked.ttl;
                let observation = Observation::new(peeked);
                let pause = if observation == Observation::NoOne {
                    valid_until = asked;
                    vacancy.wait()
                } else {
                    vacancy = Backoff::new(MAX_LOOK);
                    valid_until = asked + left.unwrap_or(MAX_LOOK);
                    next_look(left, ttl.get())
                };
                show(&seen, observation);
                pause
            }
            Err(error) => {
                tracing::debug!(election = %name, %error, "it is not known who leads");
                let left = valid_until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    show(&seen, Observation::Unknown);
                    failures.wait()
                } else {
                    failures.wait().min(left)
                }
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = hints.next() => {
                vacancy = Backoff::new(MAX_LOOK);
                tokio::time::sleep(after_hint()).await;
            }
        }
    }
}

fn show(seen: &watch::Sender<Observation>, observation: Observation) {
    seen.send_if_modified(|shown| {
        let is_new = *shown != observation;
        *shown = observation;
        is_new
    });
}
