//! The command line.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::topology::Topology;

pub(crate) const USAGE: &str = "\
Usage: cargo xtask chaos [options]
       cargo xtask chaos once [options]    one effect per key: see once --help

Injects random faults into replicas of penalty-scheduler and into the store that they share,
then checks the history of what happened. The same seed plans the same faults.

Options:
  --minutes N          how long to run; defaults to 10
  --seconds N          likewise; not less than 25
  --seed N             defaults to a random one, which is printed
  --backend NAME       redis, host or both; defaults to both
  --topology NAME      of the servers: single, sentinel or cluster; defaults to single
  --replicas N         of each job; defaults to 3
  --callers N          of one lock in one process; defaults to 200, 0 is none
  --candidates N       of one election; defaults to 5, 0 is none
  --upgrade            replicas begin in the last version, and go to this one and back
  --clock FILE         the library of clock/shifted.c; without it no server's clock is set wrong
  --check FOLDER       injects nothing: checks the history in FOLDER again
";

/// The stores that are tested.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Choice {
    Redis,
    Host,
    Both,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) length: Duration,
    pub(crate) seed: u64,
    pub(crate) choice: Choice,
    pub(crate) topology: Topology,
    pub(crate) replicas: usize,
    /// How many callers of one lock are in one process. 0 is none, and no process.
    pub(crate) callers: u32,
    /// How many candidates an election has. 0 is no election.
    pub(crate) candidates: usize,
    pub(crate) check: Option<PathBuf>,
    /// The `civic` executable, whose `lock hold` is the hammer.
    pub(crate) civic: PathBuf,
    /// The `civic-fleet` executable, whose `penalty-scheduler` is the job.
    pub(crate) fleet: PathBuf,
    /// The same in the version that an upgrade begins with.
    pub(crate) last: Option<Programs>,
    /// Where histories go, one folder per seed.
    pub(crate) output: PathBuf,
    /// The library that gives a server a wall clock of its own: see `clock/shifted.c`.
    pub(crate) clock: Option<PathBuf>,
}

/// The executables of a version.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) civic: PathBuf,
    pub(crate) fleet: PathBuf,
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            length: Duration::from_secs(600),
            seed: random_seed(),
            choice: Choice::Both,
            topology: Topology::Single,
            replicas: 3,
            callers: 200,
            candidates: 5,
            check: None,
            civic: PathBuf::from("target/debug/civic"),
            fleet: PathBuf::from("target/debug/civic-fleet"),
            last: None,
            output: PathBuf::from("target/chaos"),
            clock: None,
        };
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{name} needs a value"))
            };
            match name.as_str() {
                "--minutes" => options.length = Duration::from_secs(60 * number(&name, &value()?)?),
                "--seconds" => options.length = Duration::from_secs(number(&name, &value()?)?),
                "--seed" => options.seed = number(&name, &value()?)?,
                "--replicas" => options.replicas = number(&name, &value()?)? as usize,
                "--callers" => options.callers = number(&name, &value()?)? as u32,
                "--candidates" => options.candidates = number(&name, &value()?)? as usize,
                "--check" => options.check = Some(value()?.into()),
                "--civic" => options.civic = value()?.into(),
                "--fleet" => options.fleet = value()?.into(),
                // What `cargo xtask chaos --upgrade` makes of it, once it has built them.
                "--last" => {
                    let folder = PathBuf::from(value()?);
                    options.last = Some(Programs {
                        civic: folder.join("civic"),
                        fleet: folder.join("civic-fleet"),
                    });
                }
                "--output" => options.output = value()?.into(),
                "--clock" => options.clock = Some(value()?.into()),
                "--topology" => {
                    let value = value()?;
                    options.topology = Topology::ALL
                        .into_iter()
                        .find(|topology| topology.name() == value)
                        .ok_or_else(|| format!("there is no topology {value}"))?;
                }
                "--backend" => {
                    options.choice = match value()?.as_str() {
                        "redis" => Choice::Redis,
                        "host" => Choice::Host,
                        "both" => Choice::Both,
                        other => return Err(format!("there is no backend {other}")),
                    }
                }
                other => return Err(format!("there is no option {other}")),
            }
        }
        if options.length < Duration::from_secs(25) {
            return Err("less than 25 s leave no time for a fault and what follows from it".into());
        }
        if !(2..=9).contains(&options.replicas) {
            return Err("--replicas is 2 to 9".into());
        }
        if !matches!(options.candidates, 0 | 2..=9) {
            return Err("--candidates is 2 to 9, or 0 for no election".into());
        }
        if options.last.is_some() && options.topology == Topology::Cluster {
            return Err(
                "--upgrade is not for a cluster: the last version gives every job one name, and a \
                 cluster has one database for all of them"
                    .into(),
            );
        }
        Ok(options)
    }

    /// Returns the command that injects the same faults again.
    pub(crate) fn replay(&self) -> String {
        let backend = match self.choice {
            Choice::Redis => "redis",
            Choice::Host => "host",
            Choice::Both => "both",
        };
        let upgrade = match &self.last {
            Some(_) => " --upgrade",
            None => "",
        };
        format!(
            "cargo xtask chaos --seconds {} --seed {} --backend {backend} --topology {} --replicas {} \
             --callers {} --candidates {}{upgrade}",
            self.length.as_secs(),
            self.seed,
            self.topology.name(),
            self.replicas,
            self.callers,
            self.candidates
        )
    }
}

pub(crate) fn number(name: &str, value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("{name} is a number, not {value:?}"))
}

/// Returns a seed that is short enough to be typed.
pub(crate) fn random_seed() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |now| u64::from(now.subsec_nanos()) % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_defaults_are_those_of_the_usage() {
        let options = parse("").expect("no option is needed");
        assert_eq!(options.length, Duration::from_secs(600));
        assert_eq!(options.choice, Choice::Both);
        assert_eq!(options.replicas, 3);
        assert_eq!(options.callers, 200);
        assert_eq!(options.candidates, 5);
    }

    #[test]
    fn the_replay_command_parses_to_the_same_options() {
        let options = parse(
            "--seconds 45 --seed 7 --backend redis --topology sentinel --replicas 4 --callers 9 \
             --candidates 3",
        )
        .expect("valid");
        let replay = options.replay();
        let again = replay
            .strip_prefix("cargo xtask chaos ")
            .map(parse)
            .expect("the command")
            .expect("valid");
        assert_eq!(again.length, options.length);
        assert_eq!(again.seed, options.seed);
        assert_eq!(again.choice, options.choice);
        assert_eq!(again.topology, options.topology);
        assert_eq!(again.replicas, options.replicas);
        assert_eq!(again.callers, options.callers);
        assert_eq!(again.candidates, options.candidates);
    }

    #[test]
    fn an_unknown_option_or_value_is_refused() {
        for line in [
            "--second 40",
            "--seed x",
            "--seed",
            "--backend files",
            "--topology ring",
            "--seconds 5",
            "--replicas 1",
            "--candidates 1",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
