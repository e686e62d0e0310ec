//! What became of a tick on this replica.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::lease::machine::LostReason;
use crate::scheduler::tick::Tick;

/// What happened to a tick of a job, as one replica sees it.
///
/// A tick that runs here gives [`Started`](Self::Started) and then exactly one of
/// [`Ran`](Self::Ran), [`TookOver`](Self::TookOver), [`Failed`](Self::Failed),
/// [`Lost`](Self::Lost), [`HandedOver`](Self::HandedOver) and [`Unrecorded`](Self::Unrecorded).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The tick was claimed here, and its work begins.
    Started(Attempt),
    /// The work has ended, and the tick is recorded as done.
    Ran(Attempt),
    /// The same, for a tick that another holder or an earlier attempt had begun and not done.
    TookOver(Attempt),
    /// Another replica has done the tick, or has given it up and reported it.
    Skipped {
        /// The tick that is not left to this replica.
        tick: Tick,
    },
    /// Ticks that were not run, and will not be: past their misfire grace, or passed over because
    /// of [`Coalesce`](super::Coalesce). One replica reports them.
    Missed {
        /// The first of them.
        tick: Tick,
        /// The last of them; the first one again if it is the only one.
        until: Tick,
        /// How many there are.
        count: u64,
    },
    /// The tick was begun as often as the job [allows](super::Job::max_attempts), and none of its
    /// holders has lived to record the end. It is not begun again, and counts as done.
    DeadLetter {
        /// The tick that is given up.
        tick: Tick,
        /// How often it was begun.
        attempts: u32,
    },
    /// A peer that does not use this crate, such as a Node service, has run the tick, or runs it:
    /// it holds, or held, the key. See [`Peers`](super::Peers). A run of a peer that began and
    /// ended between two looks cannot be seen.
    RanByPeer {
        /// The tick that counts as done.
        tick: Tick,
        /// The value of the peer's key.
        holder: Arc<str>,
    },
    /// The key of a peer that was at work on the tick has expired without a release. The tick
    /// counts as done, and no one knows whether it is: running it again could do its work twice.
    PeerUnknown {
        /// The tick that counts as done.
        tick: Tick,
        /// The value of the peer's key.
        holder: Arc<str>,
    },
    /// The clocks of this replica and of the store differ by more than a minute, or by more than
    /// the [maximum skew](super::Scheduler::max_skew). Nothing is claimed and nothing is given up
    /// here for as long as they do. Repeated every 30 s.
    ClockSuspect {
        /// What this replica's clock says.
        local: Tick,
        /// What the store's clock says.
        store: Tick,
    },
    /// The watermark lies in the future: nothing runs until the clock gets there. If no clock is
    /// wrong any more, reset it with `civic job reset`. Repeated daily.
    WatermarkAhead {
        /// The tick up to which everything counts as done.
        done: Tick,
        /// What the store's clock says.
        now: Tick,
    },
    /// Another schedule of the job was not seen for a while, and is forgotten: the job was
    /// deployed with this one in its place.
    Rescheduled {
        /// The schedule that is forgotten.
        before: Arc<str>,
    },
    /// Another schedule of the job is in use beside this one for longer than a deployment takes:
    /// two services share the name. Repeated daily.
    ConflictingSchedules {
        /// The other schedule.
        other: Arc<str>,
    },
    /// An operator has paused the job: no tick is begun.
    Paused {
        /// When the operator has paused it.
        since: Tick,
    },
    /// The job is no longer paused.
    Resumed,
    /// An operator has set the watermark.
    Reset {
        /// The tick up to which everything counts as done now.
        done: Tick,
    },
    /// The schedule has no further tick: the job will not run again.
    Ended,
    /// The lease was lost before the work was recorded. The work was dropped if it was still
    /// running. With `AtLeastOnce` the tick is run again; with `AtMostOnce` it is not.
    Lost {
        /// Which attempt it was.
        attempt: Attempt,
        /// Why the lease was lost.
        reason: LostReason,
    },
    /// The work returned an error or panicked.
    Failed {
        /// Which attempt it was.
        attempt: Attempt,
        /// The text of the error or of the panic.
        error: Arc<str>,
        /// What follows from it.
        then: AfterFailure,
    },
    /// This replica is shutting down: the work was dropped, and another replica takes the tick
    /// over. With `AtMostOnce` no other replica does, and the event is [`Lost`](Self::Lost).
    HandedOver(Attempt),
    /// The work has ended, but the store did not confirm that the tick is done. The record is
    /// repeated in the background for one ttl. If that fails too, the tick runs again.
    Unrecorded {
        /// Which attempt it was.
        attempt: Attempt,
        /// Why the store did not confirm.
        cause: Arc<Error>,
    },
    /// The store cannot be asked, and nothing runs here until it can. Reported once per outage.
    Unavailable {
        /// The tick that is waited for. `None` while the job is being registered.
        tick: Option<Tick>,
        /// Why the store cannot be asked.
        cause: Arc<Error>,
    },
    /// This replica's clock is ahead of the store's by more than the
    /// [maximum skew](super::Scheduler::max_skew). The tick is left alone until the store's clock
    /// gets there.
    ClockAhead {
        /// The tick that is left alone.
        tick: Tick,
        /// How far the tick lies in the store's future.
        by: Duration,
    },
}

/// One attempt at a tick.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Attempt {
    /// The scheduled instant.
    pub tick: Tick,
    /// The fencing token, strictly larger for each attempt.
    pub fence: u64,
    /// 1 for the first attempt at the tick, on whichever replica.
    pub number: u32,
    /// How much later than the scheduled instant the work began.
    pub lateness: Duration,
    /// How long the work took. Zero in [`Event::Started`].
    pub took: Duration,
}

/// What follows from a failure of the work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AfterFailure {
    /// The tick counts as done in spite of the failure.
    Consumed,
    /// The tick is tried again, here or on another replica, within its misfire grace.
    Retried,
}

impl Event {
    /// Returns a stable name in `kebab-case`: `started`, `ran`, `took-over`, `skipped`, `missed`,
    /// `dead-letter`, `ran-by-peer`, `peer-unknown`, `ended`, `lost`, `failed`, `handed-over`,
    /// `unrecorded`, `unavailable`, `clock-ahead`, `clock-suspect`, `watermark-ahead`,
    /// `rescheduled`, `conflicting-schedules`, `paused`, `resumed` or `reset`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started(_) => "started",
            Self::Ran(_) => "ran",
            Self::TookOver(_) => "took-over",
            Self::Skipped { .. } => "skipped",
            Self::Missed { .. } => "missed",
            Self::DeadLetter { .. } => "dead-letter",
            Self::RanByPeer { .. } => "ran-by-peer",
            Self::PeerUnknown { .. } => "peer-unknown",
            Self::ClockSuspect { .. } => "clock-suspect",
            Self::WatermarkAhead { .. } => "watermark-ahead",
            Self::Rescheduled { .. } => "rescheduled",
            Self::ConflictingSchedules { .. } => "conflicting-schedules",
            Self::Paused { .. } => "paused",
            Self::Resumed => "resumed",
            Self::Reset { .. } => "reset",
            Self::Ended => "ended",
            Self::Lost { .. } => "lost",
            Self::Failed { .. } => "failed",
            Self::HandedOver(_) => "handed-over",
            Self::Unrecorded { .. } => "unrecorded",
            Self::Unavailable { .. } => "unavailable",
            Self::ClockAhead { .. } => "clock-ahead",
        }
    }

    /// Returns the tick that the event is about.
    #[must_use]
    pub const fn tick(&self) -> Option<Tick> {
        match self {
            Self::Skipped { tick }
            | Self::Missed { tick, .. }
            | Self::DeadLetter { tick, .. }
            | Self::RanByPeer { tick, .. }
            | Self::PeerUnknown { tick, .. }
            | Self::ClockAhead { tick, .. } => Some(*tick),
            Self::Unavailable { tick, .. } => *tick,
            _ => match self.attempt() {
                Some(attempt) => Some(attempt.tick),
                None => None,
            },
        }
    }

    /// Returns the attempt that the event is about; `None` if nothing ran here.
    #[must_use]
    pub const fn attempt(&self) -> Option<Attempt> {
        match self {
            Self::Started(attempt)
            | Self::Ran(attempt)
            | Self::TookOver(attempt)
            | Self::Lost { attempt, .. }
            | Self::Failed { attempt, .. }
            | Self::HandedOver(attempt)
            | Self::Unrecorded { attempt, .. } => Some(*attempt),
            Self::Skipped { .. }
            | Self::Missed { .. }
            | Self::DeadLetter { .. }
            | Self::RanByPeer { .. }
            | Self::PeerUnknown { .. }
            | Self::ClockSuspect { .. }
            | Self::WatermarkAhead { .. }
            | Self::Rescheduled { .. }
            | Self::ConflictingSchedules { .. }
            | Self::Paused { .. }
            | Self::Resumed
            | Self::Reset { .. }
            | Self::Ended
            | Self::Unavailable { .. }
            | Self::ClockAhead { .. } => None,
        }
    }

    /// Writes the event to the log.
    pub(super) fn trace(&self, job: &str) {
        let (event, tick) = (self.name(), self.tick().map(Tick::as_millis));
        let fence = self.attempt().map(|attempt| attempt.fence);
        let attempt = self.attempt().map(|attempt| attempt.number);
        match self {
            Self::Started(_) | Self::Skipped { .. } => {
                tracing::debug!(job, event, tick, fence, attempt);
            }
            Self::Ran(_) | Self::TookOver(_) | Self::HandedOver(_) => {
                tracing::info!(job, event, tick, fence, attempt);
            }
            Self::Missed { until, count, .. } => {
                tracing::warn!(job, event, tick, until = until.as_millis(), count);
            }
            Self::DeadLetter { attempts, .. } => tracing::error!(job, event, tick, attempts),
            Self::RanByPeer { holder, .. } => tracing::info!(job, event, tick, %holder),
            Self::PeerUnknown { holder, .. } => tracing::warn!(job, event, tick, %holder),
            Self::ClockSuspect { local, store } => tracing::warn!(
                job,
                event,
                "the clock of this replica says {local}, that of the lock store {store}: one of \
                 them is wrong, and no tick is claimed here until they agree"
            ),
            Self::WatermarkAhead { done, now } => tracing::warn!(
                job,
                event,
                "the watermark is {done}, and it is {now}: nothing runs until then; if the clocks \
                 are right, set it back with: civic job reset {job}"
            ),
            Self::Rescheduled { before } => tracing::info!(job, event, %before),
            Self::ConflictingSchedules { other } => tracing::warn!(job, event, %other),
            Self::Paused { since } => tracing::info!(job, event, %since),
            Self::Resumed => tracing::info!(job, event),
            Self::Reset { done } => tracing::warn!(job, event, %done),
            Self::Ended => tracing::warn!(job, event),
            Self::Lost { reason, .. } => tracing::warn!(job, event, tick, fence, attempt, %reason),
            Self::Failed { error, then, .. } => {
                tracing::error!(job, event, tick, fence, attempt, error = &**error, ?then);
            }
            Self::Unrecorded { cause, .. } | Self::Unavailable { cause, .. } => {
                tracing::warn!(job, event, tick, fence, attempt, %cause);
            }
            Self::ClockAhead { by, .. } => tracing::warn!(job, event, tick, ?by),
        }
    }
}
