//! `cargo xtask simulate`: builds the simulation, and becomes it.
//!
//! What it does is in civic-simulate; a program of its own, so that those who run another command
//! do not wait for its dependencies.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::command::{Command as Xtask, Help};
use crate::sh;

pub(crate) const COMMAND: Xtask = Xtask {
    name: "simulate",
    summary: "run the retry policies before simulated servers that fail, write docs/simulation.md",
    help: Help::OfProgram,
    run,
};

fn run(arguments: &[String]) -> Result<(), String> {
    let mut command = prepare(arguments)?;
    Err(format!("cannot start the simulation: {}", command.exec()))
}

/// The simulation, ready to start. Optimising it would take longer than it runs.
pub(crate) fn prepare(arguments: &[String]) -> Result<Command, String> {
    sh::run(&mut sh::cargo_command([
        "build",
        "--quiet",
        "--package",
        "civic-simulate",
    ]))?;
    let mut command = Command::new(sh::target().join("debug/civic-simulate"));
    command
        .arg("--docs")
        .arg(sh::root().join("docs"))
        .args(arguments);
    Ok(command)
}
