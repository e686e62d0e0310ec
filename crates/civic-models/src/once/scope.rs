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

/// What one check of the model covers.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Its name in the table.
    pub name: &'static str,
    /// How many processes want the work to be done.
    pub processes: u8,
    /// What becomes of the work of a dead holder.
    pub delivery: Delivery,
    /// The last moment at which a fault happens.
    pub last_fault: i8,
    /// The last moment.
    pub horizon: i8,
    /// The faults that may happen.
    pub budget: Budget,
}
