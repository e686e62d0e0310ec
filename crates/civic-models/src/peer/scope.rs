//! What one check of Node's ticks covers, and its times.

use crate::faults::Budget;
use crate::store::{Delivery, Settings};

/// How far the clocks of replicas and peers may be from the store's.
pub(super) const MAX_SKEW: i8 = 1;

pub(super) const SETTINGS: Settings = Settings {
    ttl: 4,
    delivery: Delivery::AtLeastOnce,
    grace: 4,
    max_skew: MAX_SKEW,
    attempts: None,
};

/// The longest that our own work takes: less than the ttl, so that nothing has to be renewed.
pub(super) const WORK: i8 = 2;
/// Half the distance between ticks.
pub(super) const HOLD: i8 = 3;

/// What one check of the model covers.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Its name in the table.
    pub name: &'static str,
    /// The instants at which the job is due.
    pub ticks: &'static [i8],
    /// How many replicas of ours there are.
    pub replicas: u8,
    /// The shortest and the longest run of the Node peer.
    pub node_work: (i8, i8),
    /// The time to live that the Node peer asks for.
    pub node_ttl: i8,
    /// When an operator takes the plain lock of the same name, and for how long.
    pub operator: Option<(i8, i8)>,
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

    /// From when on the value of a Node peer stands for a run of this tick.
    pub(super) fn counts_from(&self, tick: i8) -> i8 {
        let before = self.ticks.iter().copied().rfind(|other| *other < tick);
        tick - before.map_or(MAX_SKEW, |before| MAX_SKEW.min((tick - before) / 2))
    }
}
