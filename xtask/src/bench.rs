//! `cargo xtask bench`: the benchmarks, optimised, one after the other.

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
    sh::run(command.env("CIVIC_REDIS_SERVER", tools::redis_server()?))
}
