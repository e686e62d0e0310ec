//! `civic once`: what an operator sees of executions that happen once, and does with them.

mod list;
mod resolve;
mod show;

use std::process::ExitCode;

use civic_lock::{Admin, LockService};
use clap::Subcommand;

use crate::start_error::StartError;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the executions that the store remembers, without their results.
    Ls(list::Args),
    /// Print what became of one execution.
    Show(show::Args),
    /// End an execution whose holder is gone, if it is the attempt that was seen.
    Resolve(resolve::Args),
}

/// Runs the command.
///
/// # Errors
///
/// Fails if a setting makes no sense, or if the store cannot be asked.
pub(crate) async fn run(command: Command) -> Result<ExitCode, StartError> {
    let locks = LockService::from_env().map_err(|error| StartError::refused(&error))?;
    let admin: Admin = locks.admin();
    match command {
        Command::Ls(args) => list::run(&admin, args).await,
        Command::Show(args) => show::run(&admin, args).await,
        Command::Resolve(args) => resolve::run(&admin, args).await,
    }
}
