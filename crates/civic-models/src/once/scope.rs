//! What one check of `once` covers, and its times.

use crate::faults::Budget;
use crate::store::Delivery;

/// How long a command and its answer may take: the unit of time.
pub(super) const TIMEOUT: i8 = 1;
/// Time to live of the key, and of the lease.
pub(super) const TTL: i8 = 3;
/// A renewal is due this long after the last confirmed command was sent.
pub(super) const RENEW: i8 = 1;
/// The longest that the work takes.
pub(super) const WORK: i8 = 2;
/// How long a record without an end stays at least: longer than a lease is renewed.
pub(super) const KEEP: i8 = WORK + TTL;
/// A retention that no history outlives.
pub(crate) const FOR_EVER: i8 = 60;

/// What one check of the model covers.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Its name in the table.
    pub name: &'static str,
    /// How many processes want the work to be done.
    pub processes: u8,
    /// What becomes of the work of a dead holder.
    pub delivery: Delivery,
    /// How many of the processes, the last ones, make another call under the same key.
    pub others: u8,
    /// How long the record of a finished execution stays.
    pub retain: i8,
    /// How often an operator looks for doubts.
    pub looks: u8,
    /// The last moment at which a fault happens.
    pub last_fault: i8,
    /// The last moment.
    pub horizon: i8,
    /// The faults that may happen.
    pub budget: Budget,
}

// ===== impl Scope =====

impl Scope {
    /// Which call a process makes.
    pub(super) fn call_of(&self, process: u8) -> u8 {
        u8::from(process >= self.processes - self.others)
    }
}
