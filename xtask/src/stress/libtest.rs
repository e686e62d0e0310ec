//! What a test program printed, read.

use std::collections::BTreeMap;

/// How a test ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Passed,
    Failed,
    Ignored,
}

/// The tests that ended, by name.
///
/// A line is only read where it is whole: what the processes that a test started print in between
/// is passed over.
pub(super) fn verdicts(output: &str) -> BTreeMap<String, Verdict> {
    output
        .lines()
        .filter_map(|line| {
            let (name, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
            let verdict = match verdict {
                "ok" => Verdict::Passed,
                "FAILED" => Verdict::Failed,
                _ if verdict.starts_with("ignored") => Verdict::Ignored,
                _ => return None,
            };
            Some((plain(name), verdict))
        })
        .collect()
}

/// The tests that a program has, from what it prints with `--list`.
pub(super) fn listed(output: &str) -> Vec<String> {
    output
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect()
}

/// Whether the program came to its end: without this line it crashed or was ended.
pub(super) fn is_complete(output: &str) -> bool {
    output.lines().any(|line| line.starts_with("test result: "))
}

fn plain(name: &str) -> String {
    name.trim_end_matches(" - should panic").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
running 5 tests
test a::b ... ok
{\"event\":\"listening\"}
test c - should panic ... ok
test d ... ignored, needs a network
test e has been running for over 60 seconds
test e ... FAILED
test f ... test of something else

failures:

---- e stdout ----
no
";

    #[test]
    fn each_test_that_ended_is_read() {
        let verdicts = verdicts(OUTPUT);
        let expected = [
            ("a::b", Verdict::Passed),
            ("c", Verdict::Passed),
            ("d", Verdict::Ignored),
            ("e", Verdict::Failed),
        ]
        .map(|(name, verdict)| (name.to_owned(), verdict));
        assert_eq!(verdicts, BTreeMap::from(expected));
        assert!(!is_complete(OUTPUT));
        assert!(is_complete("test result: FAILED. 3 passed; 1 failed\n"));
    }

    #[test]
    fn the_list_of_tests_is_read() {
        assert_eq!(
            listed("a::b: test\nc: test\nd: benchmark\n\n2 tests, 1 benchmark\n"),
            ["a::b", "c"]
        );
    }
}
