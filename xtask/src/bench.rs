//! `cargo xtask bench`: the benchmarks, optimised, one after the other.

use std::path::PathBuf;
use std::process::Command as Process;

use civic_progress::Progress;

use crate::command::{Command, Help};
use crate::{interop, sh, tools};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    summary: "compare with what people would use instead, write docs/performance.md",
    help: Help::Text(HELP),
    run,
};

const HELP: &str = "\
Usage: cargo xtask bench [NAME]...

Without a name: compares the crates with what people would use instead, optimised and one after the
other, and writes docs/performance.md with its plots. The machine should be idle. Instructions are
counted where valgrind is installed.

With names, only these are run, and no page is written:
  tokens, envelope, route, calls, lock, leases, node, instructions
                             the parts of the page
  operator, outage           one thing each against a limit: crates/civic-bench/benches
";

/// What is held against a limit, each a program of its own.
const LIMITS: [&str; 2] = ["operator", "outage"];

fn run(arguments: &[String]) -> Result<(), String> {
    let (limits, parts): (Vec<&String>, Vec<&String>) = arguments
        .iter()
        .partition(|name| LIMITS.contains(&name.as_str()));
    if !parts.is_empty() || limits.is_empty() {
        compare(&parts)?;
    }
    if limits.is_empty() {
        Ok(())
    } else {
        hold(&limits)
    }
}

/// Builds the comparison, and runs all of it or the parts that are named.
fn compare(parts: &[&String]) -> Result<(), String> {
    let package = ["build", "--locked", "--release", "--package", "civic-bench"];
    sh::run(&mut sh::cargo_command(package))?;
    let mut program = Process::new(sh::target().join("release/civic-bench"));
    program
        .args(parts)
        .env("CIVIC_REDIS_SERVER", tools::redis_server()?);
    let wants_node = parts.is_empty() || parts.iter().any(|name| *name == "node");
    if wants_node {
        match interop::peers() {
            Ok(peers) => {
                let payloads = sh::root().join("crates/civic-fleet/src/payload");
                program
                    .env("CIVIC_NODE_PEERS", peers)
                    .env("CIVIC_PAYLOADS", payloads);
            }
            Err(missing) => println!("without the Node platform: {missing}"),
        }
    }
    if parts.is_empty() {
        program.arg("--docs").arg(sh::root().join("docs"));
    }
    sh::run(&mut program)
}

/// Runs the programs that hold one thing against a limit.
fn hold(limits: &[&String]) -> Result<(), String> {
    let progress = Progress::new();
    for (done, name) in limits.iter().enumerate() {
        progress.mark(done as u64, limits.len() as u64, name);
        let mut command = sh::cargo_command(["bench", "--locked", "--package", "civic-bench"]);
        command
            .args(["--bench", name])
            .env("CIVIC_REDIS_SERVER", tools::redis_server()?);
        if *name == "operator" {
            command.env("CIVIC_PROGRAM", optimised_program()?);
        }
        sh::run(&mut command)?;
    }
    Ok(())
}

/// Builds the operator's tool as it is installed.
fn optimised_program() -> Result<PathBuf, String> {
    let build = ["build", "--locked", "--release", "--package", "civic-cli"];
    sh::run(&mut sh::cargo_command(build))?;
    Ok(sh::target().join("release/civic"))
}
