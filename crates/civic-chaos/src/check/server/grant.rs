//! A lease as the server granted it.

use crate::history::MILLI;

/// The server expires keys by whole milliseconds, and its clock and this one are compared only
/// once.
pub(super) const ROUNDING: u64 = 20 * MILLI;

/// A lease as the server granted it.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) at: u64,
    /// The changes of its end: when each was made, and the end that it set.
    pub(super) expiries: Vec<(u64, u64)>,
}

// ===== impl Grant =====

impl Grant {
    /// Returns the instant until which no other holder could have the key, as of `until`.
    ///
    /// A renewal after the end brings a lease back that another holder may have had meanwhile: it
    /// does not count.
    pub(super) fn covers(&self, until: u64) -> u64 {
        self.expiries
            .iter()
            .filter(|(at, expires)| *at <= until && expires > at)
            .fold(None, |covered, &(at, expires)| match covered {
                Some(covered) if at > covered + ROUNDING => Some(covered),
                _ => Some(expires),
            })
            .unwrap_or(self.at)
    }
}
