//! One job as this replica sees it: its clock, its events, its shutdown.
//!
//! The [worker](super::worker), [execute](super::execute) and [misfire](super::misfire) all build
//! on it.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::lease::acquire::Leases;
use crate::scheduler::clock_offset::ClockOffset;
use crate::scheduler::event::Event;
use crate::scheduler::job::Job;
use crate::scheduler::settings::Settings;
use crate::scheduler::tick::Tick;
use crate::store::answer::Peeked;
use crate::store::command::Peek;
use crate::store::hints::Hints;
use crate::timing::{Backoff, Ttl};

/// One job as this replica sees it.
pub(super) struct Replica {
    pub(super) job: Arc<Job>,
    pub(super) ttl: Ttl,
    pub(super) leases: Leases,
    pub(super) clock_offset: ClockOffset,
    pub(super) settings: Arc<Settings>,
    /// Cancelled when the replica is shutting down.
    pub(super) stop: CancellationToken,
}

/// The replica is shutting down.
pub(super) struct Stopped;

/// A condition that lasts for a while and is reported once.
#[derive(Default)]
pub(super) struct Outage {
    reported: bool,
    backoff: Option<Backoff>,
}

// ===== impl Replica =====

impl Replica {
    /// What time it is: see [`ClockOffset`].
    pub(super) fn now(&self) -> Tick {
        self.clock_offset.now(&self.settings.clock)
    }

    /// Reads the watermark and the store's clock, and measures our own by it.
    pub(super) async fn peek(&self) -> Result<Peeked, Error> {
        let peeked = self.leases.store().run(&self.job.name, Peek).await;
        let store = peeked
            .as_ref()
            .ok()
            .map(|peeked| Tick::from_millis(peeked.now));
        self.clock_offset.measure(&self.settings.clock, store);
        peeked
    }

    /// Waits for this long, for a hint or for the shutdown.
    pub(super) async fn pause(
        &self,
        pause: Duration,
        hints: Option<&mut Hints>,
    ) -> Result<(), Stopped> {
        let hinted = async {
            match hints {
                Some(hints) => hints.next().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Stopped),
            () = hinted => Ok(()),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    /// Waits until the replica is shutting down and the work has had its time to end.
    pub(super) async fn drained(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(self.settings.drain).await;
    }

    /// Logs an event and gives it to the observer, whose panics stay there.
    pub(super) fn emit(&self, event: &Event) {
        event.trace(self.job.name.as_str());
        if let Some(observer) = &self.settings.observer {
            let observed = AssertUnwindSafe(|| observer.call(&self.job, event));
            if catch_unwind(observed).is_err() {
                tracing::error!(
                    job = %self.job.name,
                    event = event.name(),
                    "the observer of events panicked"
                );
            }
        }
    }

    /// Reports that the store cannot be asked, once per outage. Returns how long to wait.
    pub(super) fn report_unavailable(
        &self,
        tick: Option<Tick>,
        cause: Error,
        outage: &mut Outage,
    ) -> Duration {
        if outage.is_new() {
            self.emit(&Event::Unavailable {
                tick,
                cause: Arc::new(cause),
            });
        }
        outage
            .backoff
            .get_or_insert_with(|| Backoff::new(self.settings.poll_cap))
            .wait()
    }
}

// ===== impl Outage =====

impl Outage {
    /// Returns whether this is the first call.
    pub(super) fn is_new(&mut self) -> bool {
        !std::mem::replace(&mut self.reported, true)
    }
}
