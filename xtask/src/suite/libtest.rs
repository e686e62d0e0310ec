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

/// How many tests passed, as the program's last line has it. `None` if the program did not come to
/// its end: it crashed or was ended.
///
/// What a test's process printed in the middle of a test's line hides that test from [`verdicts`],
/// but not from this count.
pub(super) fn passed_in_all(output: &str) -> Option<usize> {
    let result = output
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("test result: "))?;
    let (_, counts) = result.split_once(". ")?;
    counts.split_once(" passed")?.0.parse().ok()
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
    }

    #[test]
    fn the_count_of_the_last_line_holds_where_a_line_was_broken() {
        assert_eq!(passed_in_all(OUTPUT), None);
        let broken = "test a ... {\"event\":\"listening\"}\nok\ntest b ... ok\n\n\
                      test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n";
        assert_eq!(verdicts(broken).len(), 1);
        assert_eq!(passed_in_all(broken), Some(2));
        assert_eq!(
            passed_in_all("test result: FAILED. 3 passed; 1 failed\n"),
            Some(3)
        );
    }

    #[test]
    fn the_list_of_tests_is_read() {
        assert_eq!(
            listed("a::b: test\nc: test\nd: benchmark\n\n2 tests, 1 benchmark\n"),
            ["a::b", "c"]
        );
    }
}
