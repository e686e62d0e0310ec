//! The real binary, in an environment of its own.

pub(crate) mod store;

use std::process::{Command, Stdio};

/// The key of every token in these tests.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// What a program that ran to its end left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The tool with these arguments, and nothing in its environment but a key.
pub(crate) fn civic(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_civic"));
    command
        .args(arguments)
        .env_clear()
        .env("JWT_SECRET", SECRET)
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Finished {
    let output = command.output().unwrap();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
