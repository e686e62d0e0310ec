//! `cargo xtask interop`: prepares the Node peers, builds the programs under test and the driver,
//! and becomes the driver.
//!
//! What it checks is in civic-interop; a program of its own, so that those who run another command
//! do not wait for its dependencies.

pub(crate) mod node;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use self::node::{Nest, NotInstalled};
use crate::command::{Command as Xtask, Help};
use crate::programs::Programs;
use crate::{sh, tools};

pub(crate) const COMMAND: Xtask = Xtask {
    name: "interop",
    summary: "the fleet against real Node peers, in both directions",
    help: Help::Text(USAGE),
    run,
};

/// The package of the driver, and its program.
const DRIVER: &str = "civic-interop";

const USAGE: &str = "\
Usage: cargo xtask interop [options] [CHECK]...
       cargo xtask interop --compare NODE_URL RUST_URL [--reads FILE] [--show-values]

Starts real Node peers (NestJS on Fastify, fetch, ioredis, jsonwebtoken) and the fleet, lets them
call each other in both directions, and prints which promises were kept. docs/interop.md is the
manual. Without a name every check runs:

  tokens       tokens of each side are the other side's, byte for byte, and are accepted by it
  refusals     a bad credential gets the same answer from both sides
  envelopes    the envelopes of both sides are the same bytes, and each side reads the other's
  errors       the words of a Node service's errors reach the caller
  not-found    both sides tell a missing thing, a missing route and a wrong method apart
  compare      --compare finds each of fifty defects, and none in a service without one
  correlation  one correlation id passes through every hop
  on-behalf-of the user for whom a service calls is known behind hops of both kinds
  rotation     keys are changed under load, and no call is refused
  closing      what a closing Fastify answers is what the client knows
  rate-limits  a client lives with the peer's rate limit
  fences       a Node callee and a Rust one refuse the same fences
  locks        holders of both kinds exclude each other
  restarts     no effect happens twice, and nearly no call fails, during a rolling restart
  rolling      no call fails, plain fetch included, during a rolling restart of Rust replicas

Options:
  --quick             each check in its short form, against NestJS 11: under a minute
  --nest 11|12|both   the version of NestJS; defaults to both, and with --quick to 11
  --lock-seconds N    how long holders contend for one lock; defaults to 60, with --quick to 5
  --restarts N        how many processes are restarted under load; defaults to 100, with --quick to 6
  --pace SECONDS      the least time from one restart to the next; with it the rate of keyless POSTs
                      that meet a closing connection is judged as well: at most 1 in 10 000

Needs Node 20.19 or later with npm; without it the exit code is 2. The packages that the lock files
name are installed once, into target/interop.

With --compare, reads are replayed against two services that run already, and every difference of
status, headers and body is printed: all but times, made-up ids, and headers that are about the
connection. The exit code is 1 if there is one. It needs no Node here.

  --reads FILE    a path per line, or HEAD and a path; defaults to the routes of the assessment roll
  --show-values   print the values that differ, which may be about a person

Environment of --compare:
  CIVIC_TOKEN     the token of the reads
  JWT_SECRET      without a token: the secret from which the tokens of each read are minted
";

/// Where the peers are installed and exchanges are recorded.
const OUTPUT: &str = "interop";

/// The exit code of a command that cannot run here.
const MISSING: i32 = 2;

/// What makes the driver compare two services that run already.
const COMPARE: &str = "--compare";

/// The checks of `ci`: those whose outcome does not depend on how busy the machine is.
const IN_CI: [&str; 11] = [
    "tokens",
    "refusals",
    "envelopes",
    "errors",
    "not-found",
    "compare",
    "correlation",
    "on-behalf-of",
    "closing",
    "fences",
    "locks",
];

fn run(arguments: &[String]) -> Result<(), String> {
    if arguments.iter().any(|argument| argument == COMPARE) {
        let (_, driver) = Programs::build_with(DRIVER)?;
        return Err(format!(
            "cannot start the comparison: {}",
            Command::new(driver).args(arguments).exec()
        ));
    }
    let (versions, arguments) = versions(arguments)?;
    if let Err(missing) = node::find() {
        // Not a failure of what is checked, so that a caller can tell the two apart.
        eprintln!("xtask: {missing}");
        std::process::exit(MISSING);
    }
    let mut command = prepare(&versions)?;
    // In place of this process: Ctrl-C then meets the driver alone, which stops what it started.
    Err(format!(
        "cannot start interop: {}",
        command.args(arguments).exec()
    ))
}

/// Returns the folder with the peers of the older NestJS, installed, for the benchmarks.
pub(crate) fn peers() -> Result<PathBuf, String> {
    node::find()?;
    Ok(node::install(Nest::V11, &sh::target().join(OUTPUT))?)
}

/// The step of `ci`: the checks of [`IN_CI`], in their short form.
///
/// Without Node, or where no registry has its packages, it says so and is no failure: this machine
/// lacks something, and the change that is checked does not.
pub(crate) fn check() -> Result<(), String> {
    let missing = match node::find() {
        Err(missing) => missing,
        Ok(_) => match node::install(Nest::V11, &sh::target().join(OUTPUT)) {
            Ok(_) => return sh::run(prepare(&[Nest::V11])?.arg("--quick").args(IN_CI)),
            Err(NotInstalled::Failed(error)) => return Err(error),
            Err(NotInstalled::Unreachable(said)) => {
                format!("{said}\nthe packages of the Node peers cannot be fetched from here")
            }
        },
    };
    println!("    {missing}\n    the fleet was NOT checked against Node peers");
    Ok(())
}

/// The driver, ready to start with these versions of the peers.
fn prepare(versions: &[Nest]) -> Result<Command, String> {
    let redis = tools::redis_server()?;
    let output = sh::target().join(OUTPUT);
    let peers = versions
        .iter()
        .map(|version| node::install(*version, &output))
        .collect::<Result<Vec<_>, _>>()?;
    let (programs, driver) = Programs::build_with(DRIVER)?;
    let mut command = Command::new(driver);
    command
        .arg("--civic")
        .arg(programs.civic)
        .arg("--fleet")
        .arg(programs.fleet)
        .arg("--payloads")
        .arg(sh::root().join("crates/civic-fleet/src/payload"))
        .arg("--recordings")
        .arg(output.join("recorded"))
        .env("CIVIC_REDIS_SERVER", redis);
    for folder in peers {
        command.arg("--peers").arg(folder);
    }
    Ok(command)
}

/// The versions of NestJS that are asked for, and the arguments that the driver gets.
fn versions(arguments: &[String]) -> Result<(Vec<Nest>, Vec<String>), String> {
    let mut named = None;
    let mut rest = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--nest" {
            let version = arguments.next().ok_or("--nest needs 11, 12 or both")?;
            named = Some(version.as_str());
        } else {
            rest.push(argument.clone());
        }
    }
    let quick = rest.iter().any(|argument| argument == "--quick");
    let versions = match (named, quick) {
        (Some("11"), _) | (None, true) => vec![Nest::V11],
        (Some("12"), _) => vec![Nest::V12],
        (Some("both"), _) | (None, false) => vec![Nest::V11, Nest::V12],
        (Some(other), _) => return Err(format!("--nest is 11, 12 or both, not {other:?}")),
    };
    Ok((versions, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(Vec<Nest>, Vec<String>), String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        versions(&words)
    }

    #[test]
    fn both_versions_of_nest_run_unless_one_is_named_or_it_has_to_be_quick() {
        let versions = |line| parsed(line).expect("valid").0;
        assert_eq!(versions(""), [Nest::V11, Nest::V12]);
        assert_eq!(versions("--quick tokens"), [Nest::V11]);
        assert_eq!(versions("--nest 12 --quick"), [Nest::V12]);
        assert_eq!(versions("--quick --nest both"), [Nest::V11, Nest::V12]);
    }

    #[test]
    fn the_driver_gets_what_is_not_about_nest() {
        let (_, rest) = parsed("tokens --nest 11 --quick").expect("valid");
        assert_eq!(rest, ["tokens", "--quick"]);
    }

    #[test]
    fn every_check_of_ci_is_in_the_help() {
        for check in IN_CI {
            assert!(USAGE.contains(&format!("\n  {check} ")), "{check}");
        }
    }

    #[test]
    fn another_version_of_nest_is_refused() {
        assert!(parsed("--nest 10").is_err());
        assert!(parsed("--nest").is_err());
    }
}
