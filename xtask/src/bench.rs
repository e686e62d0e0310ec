//! `cargo xtask bench`: the benchmarks, optimised, one after the other.

use crate::{sh, tools};

/// Runs all benchmarks, or those that the arguments name.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let mut command = sh::cargo_command(["bench", "--locked", "--package", "civic-bench"]);
    if arguments.is_empty() {
        command.arg("--benches");
    }
    for name in arguments {
        command.args(["--bench", name]);
    }
    sh::run(command.env("CIVIC_REDIS_SERVER", tools::redis_server()?))
}
