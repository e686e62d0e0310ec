//! The command line of `cargo xtask chaos once`.

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use crate::once::backend::{Backend, Fsync};
use crate::options::{number, random_seed};

pub(super) const USAGE: &str = "\
Usage: cargo xtask chaos once [options]

POSTs with keys through a proxy to services behind IdempotencyLayer, while clients, proxies,
services and the server are killed at random; one migration that many processes come for; holders
and executors that are stopped for longer than their ttl. Then what happened is checked: at most
one effect per key. The same seed plans the same faults.

Options:
  --minutes N          how long the POSTs are sent; defaults to 5
  --seconds N          likewise; not less than 10
  --posts N            how many; defaults to 10000
  --fsync WORD         always or everysec; defaults to always. With everysec a server that is killed
                       loses what it had not synced, as in a power failure: what was lost is counted
  --processes N        that come for the migration; defaults to 50
  --kills N            of them; defaults to 10
  --stops N            of holders behind a fence; defaults to 1000
  --rounds N           of executors that are stopped; defaults to 50
  --part NAME          posts, migration, fence or pause; may be repeated; defaults to all
  --seed N             defaults to a random one, which is printed
  --backend NAME       redis, host or both; defaults to both
  --check FOLDER       injects nothing: checks the facts in FOLDER again
";

/// What of it is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    Posts,
    Migration,
    Fence,
    Pause,
}

#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) length: Duration,
    pub(super) posts: u64,
    pub(super) fsync: Fsync,
    pub(super) processes: u64,
    pub(super) kills: u64,
    pub(super) stops: u64,
    pub(super) rounds: u64,
    pub(super) parts: Vec<Part>,
    pub(super) seed: u64,
    pub(super) backends: Vec<Backend>,
    pub(super) check: Option<PathBuf>,
    output: PathBuf,
}

// ===== impl Part =====

impl Part {
    const ALL: [Self; 4] = [Self::Posts, Self::Migration, Self::Fence, Self::Pause];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Posts => "posts",
            Self::Migration => "migration",
            Self::Fence => "fence",
            Self::Pause => "pause",
        }
    }
}

// ===== impl Options =====

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            length: Duration::from_secs(300),
            posts: 10_000,
            fsync: Fsync::Always,
            processes: 50,
            kills: 10,
            stops: 1000,
            rounds: 50,
            parts: Vec::new(),
            seed: random_seed(),
            backends: vec![Backend::Redis, Backend::Host],
            check: None,
            output: PathBuf::from("target/chaos"),
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{name} needs a value"))
            };
            match name.as_str() {
                "--minutes" => options.length = Duration::from_secs(60 * number(name, value()?)?),
                "--seconds" => options.length = Duration::from_secs(number(name, value()?)?),
                "--posts" => options.posts = number(name, value()?)?,
                "--processes" => options.processes = number(name, value()?)?,
                "--kills" => options.kills = number(name, value()?)?,
                "--stops" => options.stops = number(name, value()?)?,
                "--rounds" => options.rounds = number(name, value()?)?,
                "--seed" => options.seed = number(name, value()?)?,
                "--check" => options.check = Some(value()?.into()),
                "--output" => options.output = value()?.into(),
                "--fsync" => {
                    let word = value()?;
                    options.fsync = [Fsync::Always, Fsync::EverySecond]
                        .into_iter()
                        .find(|fsync| fsync.word() == word)
                        .ok_or_else(|| format!("--fsync is always or everysec, not {word:?}"))?;
                }
                "--part" => {
                    let word = value()?;
                    let part = Part::ALL.into_iter().find(|part| part.name() == word);
                    let part = part.ok_or_else(|| format!("there is no part {word}"))?;
                    options.parts.push(part);
                }
                "--backend" => {
                    options.backends = match value()?.as_str() {
                        "redis" => vec![Backend::Redis],
                        "host" => vec![Backend::Host],
                        "both" => vec![Backend::Redis, Backend::Host],
                        other => return Err(format!("there is no backend {other}")),
                    };
                }
                other => return Err(format!("there is no option {other}")),
            }
        }
        if options.parts.is_empty() {
            options.parts = Part::ALL.to_vec();
        }
        if options.length < Duration::from_secs(10) {
            return Err("less than 10 s leave no time for a fault and what follows from it".into());
        }
        if options.kills >= options.processes {
            return Err("--kills has to be less than --processes: one must be left".into());
        }
        Ok(options)
    }

    /// Returns the folder of this run, which is empty if it is a new one.
    pub(super) fn folder(&self) -> io::Result<PathBuf> {
        if let Some(folder) = &self.check {
            return Ok(folder.clone());
        }
        let folder = self.output.join("once").join(self.seed.to_string());
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir_all(&folder)?;
        folder.canonicalize()
    }

    /// Returns the command that injects the same faults again.
    pub(super) fn replay(&self) -> String {
        let backend = match self.backends[..] {
            [one] => one.name(),
            _ => "both",
        };
        let parts = match self.parts.len() {
            4 => String::new(),
            _ => self
                .parts
                .iter()
                .map(|part| format!(" --part {}", part.name()))
                .collect(),
        };
        format!(
            "cargo xtask chaos once --seconds {} --posts {} --fsync {} --processes {} --kills {} \
             --stops {} --rounds {}{parts} --seed {} --backend {backend}",
            self.length.as_secs(),
            self.posts,
            self.fsync.word(),
            self.processes,
            self.kills,
            self.stops,
            self.rounds,
            self.seed,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn the_defaults_are_those_of_the_usage() {
        let options = parse("").expect("no option is needed");
        assert_eq!(options.length, Duration::from_secs(300));
        assert_eq!(options.posts, 10_000);
        assert_eq!(options.fsync, Fsync::Always);
        assert_eq!((options.processes, options.kills), (50, 10));
        assert_eq!((options.stops, options.rounds), (1000, 50));
        assert_eq!(options.parts, Part::ALL);
        assert_eq!(options.backends, [Backend::Redis, Backend::Host]);
    }

    #[test]
    fn the_replay_command_parses_to_the_same_options() {
        let options = parse(
            "--seconds 20 --posts 30 --fsync everysec --processes 5 --kills 2 --stops 3 --rounds 4 \
             --part posts --part pause --seed 9 --backend host",
        )
        .expect("valid");
        let replay = options.replay();
        let again = replay
            .strip_prefix("cargo xtask chaos once ")
            .map(parse)
            .expect("the command")
            .expect("valid");
        assert_eq!(again.replay(), replay);
        assert_eq!(again.parts, [Part::Posts, Part::Pause]);
        assert_eq!(again.length, options.length);
        assert_eq!(again.backends, options.backends);
    }

    #[test]
    fn an_unknown_option_or_value_is_refused() {
        for line in [
            "--second 40",
            "--seed x",
            "--seed",
            "--backend files",
            "--fsync never",
            "--part all",
            "--seconds 5",
            "--processes 3 --kills 3",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
