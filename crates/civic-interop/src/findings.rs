//! Where a check writes what it found.

use std::fmt::Display;

use crate::report::Report;

/// The rows that one check adds to the report.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    peers: String,
    check: &'static str,
    report: &'a mut Report,
}

// ===== impl Findings =====

impl<'a> Findings<'a> {
    pub(crate) fn new(peers: &str, check: &'static str, report: &'a mut Report) -> Self {
        Self {
            peers: peers.to_owned(),
            check,
            report,
        }
    }

    /// Says whether a promise was kept, and what was seen.
    pub(crate) fn promise(&mut self, promise: &str, kept: bool, seen: impl Display) {
        self.report
            .row(&self.peers, self.check, promise, kept, seen);
    }

    /// Says that a promise was kept `count` times, or how often it was not.
    pub(crate) fn no_differences(&mut self, promise: &str, count: &str, differences: &[String]) {
        if differences.is_empty() {
            self.promise(promise, true, count);
        } else {
            let seen = format!(
                "{} of {count} differ:\n{}",
                differences.len(),
                differences.join("\n")
            );
            self.promise(promise, false, seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_difference_breaks_a_promise() {
        let mut report = Report::new();
        Findings::new("NestJS", "tokens", &mut report).no_differences("a promise", "2 pairs", &[]);
        assert!(report.is_kept());
        let differences = ["the second".to_owned()];
        Findings::new("NestJS", "tokens", &mut report).no_differences(
            "a promise",
            "2 pairs",
            &differences,
        );
        assert!(!report.is_kept());
    }
}
