//! The command line.

use std::time::Duration;

use clap::Parser;

use crate::check::Check;
use crate::stage::{Extent, Programs};

/// Checks the fleet against real Node peers. Started by `cargo xtask interop`, which prepares the
/// peers.
#[derive(Debug, Parser)]
#[command(name = "civic-interop")]
pub(crate) struct Options {
    /// The checks to run. Defaults to all of them.
    #[arg(value_enum)]
    checks: Vec<Check>,
    /// Run each check in its short form.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    pub(crate) programs: Programs,
    /// How long holders of both kinds contend for one lock, in seconds. Defaults to 60, and 5 with
    /// --quick.
    #[arg(long, value_name = "SECONDS")]
    lock_seconds: Option<u64>,
    /// How many processes are restarted under load. Defaults to 100, and 6 with --quick.
    #[arg(long, value_name = "N")]
    restarts: Option<u32>,
    /// The least time from one restart to the next, in seconds. Defaults to none.
    ///
    /// With a pace it is also judged how many POSTs meet a connection that is being closed.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        hide_default_value = true
    )]
    pace: u64,
}

impl Options {
    /// The checks to run, in their own order.
    pub(crate) fn checks(&self) -> impl Iterator<Item = Check> {
        Check::ALL
            .into_iter()
            .filter(|check| self.checks.is_empty() || self.checks.contains(check))
    }

    /// How long the long checks are.
    pub(crate) fn extent(&self) -> Extent {
        let (lock_seconds, restarts) = if self.quick { (5, 6) } else { (60, 100) };
        // A service token lives for 30 seconds. The calls of the check carry fresh ones.
        let silence = if self.quick { 2 } else { 31 };
        Extent {
            silence: Duration::from_secs(silence),
            lock_time: Duration::from_secs(self.lock_seconds.unwrap_or(lock_seconds)),
            restarts: self.restarts.unwrap_or(restarts),
            pace: Duration::from_secs(self.pace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Options {
        let required = "civic-interop --peers p --fleet f --civic c --payloads d --recordings r";
        Options::try_parse_from(required.split(' ').chain(words.split_whitespace()))
            .unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    #[test]
    fn without_a_name_every_check_runs_in_its_whole_form() {
        let options = parse("");
        assert_eq!(options.checks().collect::<Vec<_>>(), Check::ALL);
        assert_eq!(options.extent().lock_time, Duration::from_secs(60));
        assert_eq!(options.extent().restarts, 100);
        assert_eq!(options.extent().silence, Duration::from_secs(31));
    }

    #[test]
    fn quick_shortens_what_is_not_given() {
        let options = parse("--quick --restarts 3 restarts locks");
        assert_eq!(
            options.checks().collect::<Vec<_>>(),
            [Check::Locks, Check::Restarts]
        );
        assert_eq!(options.extent().lock_time, Duration::from_secs(5));
        assert_eq!(options.extent().restarts, 3);
        assert_eq!(options.extent().silence, Duration::from_secs(2));
    }
}
