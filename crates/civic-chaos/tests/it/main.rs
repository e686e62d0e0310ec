//! The driver as its users meet it: what it says of itself, and a history that is checked again.

mod check;
mod command_line;

use std::process::{Command, Output};

/// Runs the driver with these arguments, none of which starts a replica.
fn chaos(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_civic-chaos"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
