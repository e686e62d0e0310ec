//! A value under the key.

use std::fmt;

/// A value under the key: which process, and its how manyth acquisition.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Holder {
    /// The process that made it up.
    pub process: u8,
    /// Which acquisition of that process; never used again.
    pub nth: u8,
}

// ===== impl Holder =====

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", process_name(self.process), self.nth)
    }
}

/// The letter of a process in printed paths.
#[must_use]
pub fn process_name(process: u8) -> char {
    char::from(b'A' + process)
}
