//! The command line.

use std::time::Duration;

use crate::arguments::{Names, Syntax};

pub(super) const HELP: &str = "\
Usage: cargo xtask stress [--times N] [--jobs N] [--package NAME] [--only PROGRAM]
                          [--timeout SECONDS] [TEST]...

Runs the whole test suite, but for the doc tests, N times while every core is kept busy, and lists
each test that was ever red and how often. Goes on after a red test; exits non-zero if there was
one. What a red program printed is kept in target/stress.

Arguments:
  TEST                 only tests whose names contain this

Options:
  --times N            how often; defaults to 5
  --jobs N             how many test programs run side by side; defaults to 3
  --package NAME       build and run the tests of this package only
  --only PROGRAM       run only test programs whose names contain this, such as civic-lock::it
  --timeout SECONDS    a program that runs longer is ended, and the tests that had not ended yet
                       are red; defaults to 900
";

/// The command's arguments.
const SYNTAX: Syntax = Syntax {
    command: "stress",
    flags: &[],
    options: &["--times", "--jobs", "--package", "--only", "--timeout"],
    names: Names::Any,
    help: HELP,
};

#[derive(Debug, Eq, PartialEq)]
pub(super) struct Options {
    pub(super) times: usize,
    pub(super) jobs: usize,
    pub(super) package: Option<String>,
    pub(super) only: Option<String>,
    pub(super) timeout: Duration,
    pub(super) tests: Vec<String>,
}

// ===== impl Options =====

impl Options {
    pub(super) fn parse(args: &[String]) -> Result<Self, String> {
        let given = SYNTAX.read(args)?;
        Ok(Self {
            times: given.number("--times")?.unwrap_or(5),
            jobs: given.number("--jobs")?.unwrap_or(3),
            package: given.value("--package").map(str::to_owned),
            only: given.value("--only").map(str::to_owned),
            timeout: Duration::from_secs(given.number("--timeout")?.unwrap_or(900)),
            tests: given.names().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, String> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Options::parse(&args)
    }

    #[test]
    fn every_option_is_read() {
        let defaults = Options {
            times: 5,
            jobs: 3,
            package: None,
            only: None,
            timeout: Duration::from_secs(900),
            tests: Vec::new(),
        };
        assert_eq!(parse(&[]), Ok(defaults));
        let all = Options {
            times: 20,
            jobs: 2,
            package: Some("civic-lock".into()),
            only: Some("civic-lock::it".into()),
            timeout: Duration::from_secs(60),
            tests: vec!["lease".into()],
        };
        assert_eq!(
            parse(&[
                "--times",
                "20",
                "--jobs",
                "2",
                "--only",
                "civic-lock::it",
                "--package",
                "civic-lock",
                "lease",
                "--timeout",
                "60"
            ]),
            Ok(all)
        );
    }

    #[test]
    fn a_wrong_option_is_refused_in_words() {
        for (args, words) in [
            (&["--times"][..], "--times needs a value"),
            (
                &["--times", "x"],
                "--times is a number from 1 on, not \"x\"",
            ),
            (&["--times", "0"], "from 1 on"),
            (&["--jobs", "0"], "from 1 on"),
            (&["--timeout", "-1"], "--timeout is a number"),
            (&["--often"], "stress has no option `--often`"),
        ] {
            let error = parse(args).expect_err("it is wrong");
            assert!(error.contains(words), "{args:?}: {error}");
        }
    }
}
