//! The workspace's own commands, as `cargo xtask <command>`.
//!
//! | command | what it does | file |
//! |---|---|---|
//! | `bench` | the benchmarks: ratios against a peer or a limit | `bench.rs` |
//! | `chaos` | random faults into the lock's replicas and server, and whether the promises hold | `chaos.rs` |
//! | `ci` | every check that a change has to pass | `ci.rs` |
//! | `demo` | the fleet at work, and whether it keeps its promises | `demo/` |
//!
//! Each command does all the set-up that it needs, on a machine that has rustup and a C compiler.

mod bench;
mod chaos;
mod ci;
mod demo;
mod rules;
mod sh;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask <command>

Commands:
  demo    start the example fleet, show what happens on the wire, check each promise
  chaos   inject random faults into the lock's replicas and server, check the history
  bench   run the benchmarks
  ci      run every check: format, lints, features, docs, tests, chaos, demo, licences, packaging
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    let result = match command {
        "bench" => bench::run(rest),
        "chaos" => chaos::run(rest),
        "ci" => ci::run(rest),
        "demo" => demo::run(rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(format!("there is no command `{other}`\n\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
