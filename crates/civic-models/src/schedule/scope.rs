//! What one check of a changed schedule covers, and its times.

use crate::faults::Budget;

/// Time to live of the key of a dead holder.
pub(super) const TTL: i8 = 2;

/// What one check of the model covers.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Its name in the table.
    pub name: &'static str,
    /// The instants of the schedule that is there first.
    pub old: &'static [i8],
    /// The instants of the schedule that is deployed over it.
    pub new: &'static [i8],
    /// How many replicas there are.
    pub replicas: u8,
    /// Whether the store has seen the first schedule; otherwise a first version of this project,
    /// which knew no schedules, has left a watermark.
    pub seen_before: bool,
    /// The watermark at the start.
    pub done: i8,
    /// When all replicas go down, and when they come back.
    pub outage: Option<(i8, i8)>,
    /// A schedule that is silent for longer than this may be forgotten.
    pub silence: i8,
    /// How long after its instant a tick may begin.
    pub grace: i8,
    /// The first moment.
    pub start: i8,
    /// The last moment at which a fault happens.
    pub last_fault: i8,
    /// The last moment.
    pub horizon: i8,
    /// The faults that may happen.
    pub budget: Budget,
}

// ===== impl Scope =====

impl Scope {
    /// The instants of a schedule by its number.
    pub(super) fn instants(&self, schedule: u8) -> &'static [i8] {
        if schedule == 0 { self.old } else { self.new }
    }

    /// Whether all replicas are down.
    pub(super) fn is_down(&self, now: i8) -> bool {
        self.outage
            .is_some_and(|(from, until)| from <= now && now < until)
    }
}
