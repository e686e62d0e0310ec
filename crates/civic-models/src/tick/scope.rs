//! What one check of the model covers, and its times.

use crate::faults::Budget;
use crate::store::{Settings, Ticks};

/// How long a command and its answer may take: the unit of time.
pub const TIMEOUT: i8 = 1;
/// A renewal is due this long after the last confirmed command was sent.
pub const RENEW: i8 = 1;
/// A replica whose clock and the store's differ by more than this is suspect.
pub const SUSPECT: i8 = 2;

/// What one check of the model covers.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Its name in the table.
    pub name: &'static str,
    /// The instants at which the job is due.
    pub ticks: &'static [i8],
    /// How far each replica's own clock is ahead.
    pub skews: &'static [i8],
    /// What is configured.
    pub settings: Settings,
    /// How long the key stays after a run at least.
    pub hold: i8,
    /// How long the work takes at most.
    pub work: i8,
    /// By how much the server's clock is set.
    pub jump: i8,
    /// Whether the store knows the job from the start.
    pub registered: bool,
    /// The last moment at which a fault happens.
    pub last_fault: i8,
    /// The last moment.
    pub horizon: i8,
    /// The faults that may happen.
    pub budget: Budget,
}

// ===== impl Scope =====

impl Scope {
    /// The first instant after `done`.
    pub(super) fn next_after(&self, done: i8) -> Option<i8> {
        self.ticks.iter().copied().find(|tick| *tick > done)
    }

    /// The last instant at or before `now`; before the first one there is none.
    pub(super) fn latest_at(&self, now: i8) -> i8 {
        let mut past = self.ticks.iter().copied().filter(|tick| *tick <= now);
        past.next_back().unwrap_or(0)
    }

    pub(super) fn at_first(&self) -> Option<Ticks> {
        self.registered.then(|| Ticks::registered(0))
    }
}
