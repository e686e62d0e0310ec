//! The key of a lock.

use super::super::verdict::Verdict;
use super::grant::ROUNDING;
use crate::history::{Group, Kind, MILLI};

/// A minimum hold is at most this long.
const LONGEST_HOLD_MS: u64 = 60_000;

/// The key of a lock.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) value: String,
    pub(super) set: u64,
    pub(super) expires: u64,
    pub(super) record: usize,
    pub(super) fence: Option<u64>,
    /// Whether its tick is done: then it stays only for Node peers, which know no watermark.
    pub(super) completed: bool,
}

// ===== impl Key =====

impl Key {
    /// Checks that the key of a tick stays for its minimum hold, if it ends as it stands after the
    /// record `index`.
    pub(super) fn check_minimum_hold(&self, group: &Group, index: usize, verdict: &mut Verdict) {
        if matches!(group.kind, Kind::Candidate | Kind::Hammer | Kind::Deployed) {
            return;
        }
        verdict.checks += 1;
        let least = (group.interval_ms / 2).min(LONGEST_HOLD_MS) * MILLI;
        if self.expires + ROUNDING < self.set + least {
            verdict.violated(
                format!(
                    "the key was there for {} ms, not {}",
                    self.expires.saturating_sub(self.set) / MILLI,
                    least / MILLI
                ),
                [self.record, index],
            );
        }
    }
}
