//! The command line.

use std::str::FromStr;
use std::time::Duration;

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
  --jobs N             how many test programs run side by side; defaults to 4
  --package NAME       build and run the tests of this package only
  --only PROGRAM       run only test programs whose names contain this, such as civic-lock::it
  --timeout SECONDS    a program that runs longer is ended, and the tests that had not ended yet
                       are red; defaults to 900
";

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
        let mut options = Self {
            times: 5,
            jobs: 4,
            package: None,
            only: None,
            timeout: Duration::from_secs(900),
            tests: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--times" => options.times = number(name, value()?)?,
                "--jobs" => options.jobs = number(name, value()?)?,
                "--package" => options.package = Some(value()?.clone()),
                "--only" => options.only = Some(value()?.clone()),
                "--timeout" => options.timeout = Duration::from_secs(number(name, value()?)?),
                test if !test.starts_with('-') => options.tests.push(test.to_owned()),
                _ => return Err(format!("there is no option {name}\n\n{HELP}")),
            }
        }
        if options.times == 0 || options.jobs == 0 || options.timeout.is_zero() {
            return Err("--times, --jobs and --timeout are at least 1".into());
        }
        Ok(options)
    }
}

fn number<N: FromStr>(name: &str, value: &str) -> Result<N, String> {
    value
        .parse()
        .map_err(|_| format!("{name} is a number, not {value:?}"))
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
            jobs: 4,
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
            (&["--times", "x"], "--times is a number, not \"x\""),
            (&["--times", "0"], "at least 1"),
            (&["--jobs", "0"], "at least 1"),
            (&["--timeout", "-1"], "--timeout is a number"),
            (&["--often"], "there is no option --often"),
        ] {
            let error = parse(args).expect_err("it is wrong");
            assert!(error.contains(words), "{args:?}: {error}");
        }
    }
}
