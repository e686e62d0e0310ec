//! `cargo xtask simulate`: builds the simulation, and becomes it.
//!
//! What it does is in civic-simulate; a program of its own, so that those who run another command
//! do not wait for its dependencies.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::command::{Command as Xtask, Help};
use crate::{sh, suite};

/// Package and program.
const PROGRAM: &str = "civic-simulate";

pub(crate) const COMMAND: Xtask = Xtask {
    name: "simulate",
    summary: "run the retry policies before simulated servers that fail, write docs/simulation.md",
    help: Help::OfProgram,
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    // Optimising it would take longer than it runs.
    sh::run(&mut sh::cargo_command([
        "build",
        "--quiet",
        "--package",
        PROGRAM,
    ]))?;
    let mut command = prepare(&sh::target().join("debug").join(PROGRAM), arguments);
    Err(format!("cannot start the simulation: {}", command.exec()))
}

/// Runs it with the program that the tests were built with, and compares its report with the one in
/// `docs/`: on paused time and from a seed, it writes the same however it was built.
pub(crate) fn check() -> Result<(), String> {
    let program = suite::WORKSPACE.executable(PROGRAM)?;
    sh::run(&mut prepare(&program, &["--check".to_owned()]))
}

/// The simulation, ready to start.
fn prepare(program: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command
        .arg("--docs")
        .arg(sh::root().join("docs"))
        .args(arguments);
    command
}
