//! `cargo xtask bench`: the benchmarks, optimised, one after the other.

use std::path::PathBuf;

use crate::command::{Command, Help};
use crate::{sh, tools};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    summary: "run the benchmarks: ratios against a peer or a limit",
    help: Help::Text(HELP),
    run,
};

const HELP: &str = "\
Usage: cargo xtask bench [NAME]...

Runs all benchmarks, optimised, one after the other, or those that are named: the files of
crates/civic-bench/benches, without `.rs`.
";

/// Runs all benchmarks, or those that the arguments name.
fn run(arguments: &[String]) -> Result<(), String> {
    let mut command = sh::cargo_command(["bench", "--locked", "--package", "civic-bench"]);
    if arguments.is_empty() {
        command.arg("--benches");
    }
    for name in arguments {
        command.args(["--bench", name]);
    }
    command.env("CIVIC_REDIS_SERVER", tools::redis_server()?);
    if arguments.is_empty() || arguments.iter().any(|name| name == "operator") {
        command.env("CIVIC_PROGRAM", optimised_program()?);
    }
    sh::run(&mut command)
}

/// Builds the operator's tool as it is installed.
fn optimised_program() -> Result<PathBuf, String> {
    let build = ["build", "--locked", "--release", "--package", "civic-cli"];
    sh::run(&mut sh::cargo_command(build))?;
    Ok(sh::target().join("release/civic"))
}
