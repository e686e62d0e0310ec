//! `civic lock`: what an operator does with a lock.

mod hold;
mod list;

use std::process::ExitCode;

use clap::Subcommand;

use crate::start_error::StartError;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the locks that are held.
    Ls(list::ListArgs),
    /// Print who holds a lock.
    Who(list::WhoArgs),
    /// Free a lock, if it has the holder that was seen.
    Break(list::BreakArgs),
    /// Acquire a lock, hold it and release it.
    Hold(hold::Args),
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<ExitCode, StartError> {
    match command {
        Command::Ls(args) => list::list(args).await,
        Command::Who(args) => list::who(args).await,
        Command::Break(args) => list::break_lock(args).await,
        Command::Hold(args) => hold::run(args).await,
    }
}
