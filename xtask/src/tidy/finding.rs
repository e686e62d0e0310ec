//! What a rule has found.

use std::fmt;

use super::source::Source;

/// Something that is not as it should be.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Finding {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) rule: &'static str,
    /// What is wrong there, and what to do.
    pub(super) message: String,
}

// ===== impl Finding =====

impl Finding {
    pub(super) fn new(source: &Source, line: usize, rule: &'static str, message: String) -> Self {
        Self::at(&source.path, line, rule, message)
    }

    pub(super) fn at(path: &str, line: usize, rule: &'static str, message: String) -> Self {
        Self {
            path: path.to_owned(),
            line,
            rule,
            message,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}: {}",
            self.path, self.line, self.rule, self.message
        )
    }
}
