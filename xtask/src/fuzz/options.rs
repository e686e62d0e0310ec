//! The command line.

use std::str::FromStr;
use std::time::Duration;

pub(super) const HELP: &str = "\
Usage: cargo xtask fuzz TARGET... [--seconds N] [--jobs N]
       cargo xtask fuzz --list | --build | --replay | --miri

Searches for bytes that break a promise of a parser. Begins with the seeds of the target and with
what earlier searches have found, in crates/civic-fuzz/corpus. Exits non-zero if it finds such
bytes, and says where it has put them. The log of each target is in target/fuzz.

It needs a C++ compiler for libFuzzer, and no other tool.

Arguments:
  TARGET         the name of a target, or `all`

Options:
  --seconds N    how long each target is searched; defaults to 60
  --jobs N       how many targets are searched side by side; defaults to 1
  --list         print the targets and what each is given
  --build        build the program that searches, and search nothing
  --replay       run each target over its seeds, as `cargo xtask ci` does; needs no C++ compiler
  --miri         run the targets of civic-envelope over their seeds in Miri, an interpreter that
                 sees undefined behaviour; needs a nightly compiler with the component miri
";

/// What is asked for.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Options {
    List,
    Build,
    Replay,
    Miri,
    Search(Search),
}

/// A search, in all the targets of these names.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Search {
    /// At least one. `all` stands for every target.
    pub(super) targets: Vec<String>,
    pub(super) time: Duration,
    pub(super) jobs: usize,
}

// ===== impl Options =====

impl Options {
    pub(super) fn parse(args: &[String]) -> Result<Self, String> {
        match args {
            [only] if only == "--list" => return Ok(Self::List),
            [only] if only == "--build" => return Ok(Self::Build),
            [only] if only == "--replay" => return Ok(Self::Replay),
            [only] if only == "--miri" => return Ok(Self::Miri),
            _ => {}
        }
        let mut search = Search {
            targets: Vec::new(),
            time: Duration::from_secs(60),
            jobs: 1,
        };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--seconds" => search.time = Duration::from_secs(number(name, value()?)?),
                "--jobs" => search.jobs = number(name, value()?)?,
                "--list" | "--build" | "--replay" | "--miri" => {
                    return Err(format!("{name} stands alone\n\n{HELP}"));
                }
                target if !target.starts_with('-') => search.targets.push(target.to_owned()),
                _ => return Err(format!("there is no option {name}\n\n{HELP}")),
            }
        }
        if search.targets.is_empty() {
            return Err(format!("name a target, or `all`\n\n{HELP}"));
        }
        if search.jobs == 0 || search.time.is_zero() {
            return Err("--seconds and --jobs are at least 1".into());
        }
        Ok(Self::Search(search))
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
        assert_eq!(parse(&["--list"]), Ok(Options::List));
        assert_eq!(parse(&["--build"]), Ok(Options::Build));
        assert_eq!(parse(&["--replay"]), Ok(Options::Replay));
        assert_eq!(parse(&["--miri"]), Ok(Options::Miri));
        let defaults = Search {
            targets: vec!["token".into()],
            time: Duration::from_secs(60),
            jobs: 1,
        };
        assert_eq!(parse(&["token"]), Ok(Options::Search(defaults)));
        let all = Search {
            targets: vec!["token".into(), "unwrap".into()],
            time: Duration::from_secs(300),
            jobs: 2,
        };
        assert_eq!(
            parse(&["token", "--seconds", "300", "unwrap", "--jobs", "2"]),
            Ok(Options::Search(all))
        );
    }

    #[test]
    fn what_is_no_option_is_an_error_that_says_which_there_are() {
        for (args, says) in [
            (&[][..], "name a target"),
            (&["--seconds", "5"], "name a target"),
            (&["token", "--seconds"], "--seconds needs a value"),
            (&["token", "--seconds", "soon"], "--seconds is a number"),
            (&["token", "--seconds", "0"], "at least 1"),
            (&["token", "--jobs", "0"], "at least 1"),
            (&["token", "--list"], "--list stands alone"),
            (&["token", "--forever"], "there is no option --forever"),
        ] {
            let error = parse(args).expect_err(says);
            assert!(error.contains(says), "{error}");
        }
    }
}
