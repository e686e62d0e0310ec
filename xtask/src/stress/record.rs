//! Which tests were red, and how often.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The record of all runs.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// By program and test: how often it was red, and what it printed the first time.
    red: BTreeMap<(String, String), Red>,
}

#[derive(Debug)]
struct Red {
    times: usize,
    first: PathBuf,
}

// ===== impl Record =====

impl Record {
    pub(super) fn add(&mut self, program: &str, test: &str, output: &Path) {
        self.red
            .entry((program.to_owned(), test.to_owned()))
            .or_insert_with(|| Red {
                times: 0,
                first: output.to_owned(),
            })
            .times += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.red.is_empty()
    }

    pub(super) fn tests(&self) -> usize {
        self.red.len()
    }

    /// One line per test, those that were red most often first.
    pub(super) fn lines(&self, runs: usize) -> Vec<String> {
        let mut red: Vec<_> = self.red.iter().collect();
        red.sort_by_key(|(_, red)| std::cmp::Reverse(red.times));
        red.into_iter()
            .map(|((program, test), red)| {
                format!(
                    "{:>4} of {runs} runs  {program}  {test}\n                 {}",
                    red.times,
                    red.first.display()
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_that_was_ever_red_is_listed_with_how_often() {
        let mut record = Record::default();
        assert!(record.is_empty());
        record.add("a", "seldom", Path::new("1"));
        record.add("b", "often", Path::new("2"));
        record.add("b", "often", Path::new("3"));
        assert_eq!(record.tests(), 2);
        assert_eq!(
            record.lines(3),
            [
                "   2 of 3 runs  b  often\n                 2",
                "   1 of 3 runs  a  seldom\n                 1",
            ]
        );
    }
}
