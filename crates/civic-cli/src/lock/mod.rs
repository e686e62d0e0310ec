//! `civic lock`: what an operator does with a lock.

mod hold;

use std::process::ExitCode;

use clap::Subcommand;

use crate::start_error::StartError;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Acquire a lock, hold it and release it.
    Hold(hold::Args),
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<ExitCode, StartError> {
    match command {
        Command::Hold(args) => hold::run(args).await,
    }
}
