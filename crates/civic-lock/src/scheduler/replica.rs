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
use crate::store::command::{Peek, Record};
use crate::store::hints::Hints;
use crate::store::history::RunRecord;
use crate::timing::{Backoff, Ttl};

/// Clocks that differ by more than this, or by more than the allowed skew, are not trusted.
const MAX_DIFFERENCE: Duration = Duration::from_secs(60);

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

    /// What time it is by this replica's own clock.
    pub(super) fn local_now(&self) -> Tick {
        Tick::from(self.settings.clock.now())
    }

    /// Reads the watermark and the store's clock, and measures our own by it.
    pub(super) async fn peek(&self) -> Result<Peeked, Error> {
        let peeked = self.leases.store().run(&self.job.name, Peek).await?;
        let store = Tick::from_millis(peeked.now);
        self.clock_offset.measure(&self.settings.clock, store);
        Ok(peeked)
    }

    /// Whether this replica's clock and the store's differ by too much to claim anything.
    pub(super) fn is_clock_suspect(&self, store: Tick) -> bool {
        self.local_now().distance(store) > self.max_difference()
    }

    /// By how much this replica's clock and the store's may differ.
    pub(super) fn max_difference(&self) -> Duration {
        self.settings.max_skew.max(MAX_DIFFERENCE)
    }

    /// Returns what is remembered of ticks that were given up.
    pub(super) fn run_record(&self, event: &Event) -> Option<RunRecord> {
        let (until, count) = match event {
            Event::Missed { until, count, .. } if *count > 1 => {
                (Some(until.as_millis()), Some(*count))
            }
            _ => (None, None),
        };
        let now = self.now().as_millis();
        Some(RunRecord {
            tick: event.tick()?.as_millis(),
            until,
            count,
            attempt: event.attempt().map_or(0, |attempt| attempt.number),
            fence: event.attempt().map_or(0, |attempt| attempt.fence),
            by: self.leases.new_holder().as_str().to_owned(),
            started: now,
            ended: now,
            outcome: event.name().to_owned(),
        })
    }

    /// Adds an event to the history of the job, if the store can be asked.
    pub(super) async fn remember(&self, event: &Event) {
        if let Some(run) = self.run_record(event) {
            let record = self.leases.store().run(&self.job.name, Record { run });
            if let Err(error) = record.await {
                tracing::debug!(job = %self.job.name, %error, "an event is not in the history");
            }
        }
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
    pub(super) async fn shutdown_is_over(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(self.settings.shutdown_bound).await;
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
