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
    /// The tick is ours; its work begins.
    Started(Turn),
    /// The work has ended and the tick is recorded as done.
    Ran(Turn),
    /// The same, for a tick that another holder, or an earlier attempt, had begun and not done.
    TookOver(Turn),
    /// Another replica has done the tick.
    Skipped {
        /// The tick.
        tick: Tick,
    },
    /// Nobody has done the tick within its misfire grace, and nobody will. One replica reports it.
    Missed {
        /// The tick.
        tick: Tick,
    },
    /// The lease was lost before the work was recorded: the work was dropped if it was still
    /// running. With `AtLeastOnce` the tick is run again; with `AtMostOnce` it is not.
    Lost {
        /// Which attempt it was.
        turn: Turn,
        /// Why.
        reason: LostReason,
    },
    /// The work returned an error or panicked.
    Failed {
        /// Which attempt it was.
        turn: Turn,
        /// The text of the error, or of the panic.
        error: Arc<str>,
        /// What follows from it.
        then: AfterFailure,
    },
    /// This replica is shutting down: the work was dropped and another replica takes the tick over.
    /// With `AtMostOnce` nobody does, and the event is [`Lost`](Self::Lost).
    HandedOver(Turn),
    /// The work has ended, but the store did not confirm that the tick is done. The record is
    /// repeated in the background for one ttl; if that fails too, the tick runs again.
    Unrecorded {
        /// Which attempt it was.
        turn: Turn,
        /// Why the store did not confirm.
        cause: Arc<Error>,
    },
    /// The store cannot be asked: nothing runs here until it can. Reported once an outage.
    Unavailable {
        /// The tick that is waited for; none while the job is being registered.
        tick: Option<Tick>,
        /// Why.
        cause: Arc<Error>,
    },
    /// This replica's clock is ahead of the store's by more than is tolerated: the tick is left
    /// alone until the store's clock gets there.
    ClockAhead {
        /// The tick.
        tick: Tick,
        /// How far the tick lies in the store's future.
        by: Duration,
    },
}

/// One attempt at a tick.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Turn {
    /// The scheduled instant.
    pub tick: Tick,
    /// The fencing token: strictly larger for each attempt.
    pub fence: u64,
    /// 1 for the first attempt at the tick, on whichever replica.
    pub attempt: u32,
}

/// What follows from a failure of the work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AfterFailure {
    /// The tick is done all the same.
    Consumed,
    /// The tick is tried again, here or on another replica, within its misfire grace.
    Retried,
}

impl Event {
    /// A stable name in `kebab-case`: `started`, `ran`, `took-over`, `skipped`, `missed`, `lost`,
    /// `failed`, `handed-over`, `unrecorded`, `unavailable`, `clock-ahead`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started(_) => "started",
            Self::Ran(_) => "ran",
            Self::TookOver(_) => "took-over",
            Self::Skipped { .. } => "skipped",
            Self::Missed { .. } => "missed",
            Self::Lost { .. } => "lost",
            Self::Failed { .. } => "failed",
            Self::HandedOver(_) => "handed-over",
            Self::Unrecorded { .. } => "unrecorded",
            Self::Unavailable { .. } => "unavailable",
            Self::ClockAhead { .. } => "clock-ahead",
        }
    }

    /// The tick that it is about.
    #[must_use]
    pub const fn tick(&self) -> Option<Tick> {
        match self {
            Self::Skipped { tick } | Self::Missed { tick } | Self::ClockAhead { tick, .. } => {
                Some(*tick)
            }
            Self::Unavailable { tick, .. } => *tick,
            _ => match self.turn() {
                Some(turn) => Some(turn.tick),
                None => None,
            },
        }
    }

    /// The attempt that it is about; none when nothing ran here.
    #[must_use]
    pub const fn turn(&self) -> Option<Turn> {
        match self {
            Self::Started(turn)
            | Self::Ran(turn)
            | Self::TookOver(turn)
            | Self::Lost { turn, .. }
            | Self::Failed { turn, .. }
            | Self::HandedOver(turn)
            | Self::Unrecorded { turn, .. } => Some(*turn),
            Self::Skipped { .. }
            | Self::Missed { .. }
            | Self::Unavailable { .. }
            | Self::ClockAhead { .. } => None,
        }
    }

    /// For the log.
    pub(super) fn trace(&self, job: &str) {
        let (event, tick) = (self.name(), self.tick().map(Tick::as_millis));
        let fence = self.turn().map(|turn| turn.fence);
        let attempt = self.turn().map(|turn| turn.attempt);
        match self {
            Self::Started(_) | Self::Skipped { .. } => {
                tracing::debug!(job, event, tick, fence, attempt);
            }
            Self::Ran(_) | Self::TookOver(_) | Self::HandedOver(_) => {
                tracing::info!(job, event, tick, fence, attempt);
            }
            Self::Missed { .. } => tracing::warn!(job, event, tick),
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
