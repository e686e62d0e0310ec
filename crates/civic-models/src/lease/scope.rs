//! What one check of the model covers, and its times.

use crate::faults::Budget;
use crate::store::{Delivery, Settings};

/// How long a command and its answer may take: the unit of time.
pub const TIMEOUT: i8 = 1;
/// Time to live of the key.
pub const TTL: i8 = 3;
/// A renewal is due this long after the last confirmed command was sent.
pub const RENEW: i8 = 1;
/// The holder stops this long after the last confirmed command was sent. The real margin, which
/// covers the drift between two clocks, is left out: here both clocks run at the same rate.
pub const LOSE: i8 = 3;

pub(super) const SETTINGS: Settings = Settings {
    ttl: TTL,
    delivery: Delivery::AtLeastOnce,
    grace: 0,
    max_skew: 0,
    attempts: None,
};

/// What one check of the model covers.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Its name in the table.
    pub name: &'static str,
    /// The callers; each belongs to the process of this number.
    pub callers: &'static [u8],
    /// How often each caller takes the lock at most.
    pub acquisitions: u8,
    /// Whether holders write to the resource.
    pub writes: bool,
    /// The last moment.
    pub horizon: i8,
    /// The faults that may happen.
    pub budget: Budget,
}
