//! `cargo xtask models`: builds the models of the lock's protocol, and becomes their checker.
//!
//! What it does is in civic-models, a workspace of its own with a lock file of its own: a model
//! checker and what it depends on are nothing that the other crates need.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::command::{Command as Xtask, Help};
use crate::sh;

pub(crate) const COMMAND: Xtask = Xtask {
    name: "models",
    summary: "check small models of the lock's protocol, and that each broken rule is found",
    help: Help::OfProgram,
    run,
};

const MANIFEST: &str = "crates/civic-models/Cargo.toml";

fn run(arguments: &[String]) -> Result<(), String> {
    let mut command = prepare(arguments)?;
    Err(format!("cannot start the models: {}", command.exec()))
}

/// The checker, ready to start. Its development profile is an optimised one.
pub(crate) fn prepare(arguments: &[String]) -> Result<Command, String> {
    let target = sh::target().join("models");
    sh::run(
        sh::cargo_command(["build", "--quiet", "--locked", "--manifest-path", MANIFEST])
            .env("CARGO_TARGET_DIR", &target),
    )?;
    let mut command = Command::new(target.join("debug/civic-models"));
    command.args(arguments);
    Ok(command)
}
