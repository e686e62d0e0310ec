//! A span of time.

use crate::history::MILLI;

/// How long a process that is continued, or a machine that goes on, may need before it works again.
pub(super) const AFTERMATH: u64 = 500 * MILLI;

/// A span of time, both ends included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

// ===== impl Span =====

impl Span {
    pub(crate) fn meets(self, other: Self) -> bool {
        self.from <= other.to && other.from <= self.to
    }
}
