//! `civic job`: what an operator sees of scheduled jobs, and asks of the replicas that run them.

mod ask;
mod history;
mod list;

use std::process::ExitCode;

use civic_lock::{Admin, LockService};
use clap::Subcommand;

use crate::start_error::StartError;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the jobs: what is done, what runs, what is next.
    Ls(list::ListArgs),
    /// Print the next ticks of a job, overdue ones first.
    Next(list::NextArgs),
    /// Run a job now, beside its schedule.
    Run(ask::RunArgs),
    /// Begin no tick of a job until it is resumed.
    Pause(ask::JobArgs),
    /// Resume a paused job.
    Resume(ask::JobArgs),
    /// Print the last runs of a job, the latest first.
    History(history::Args),
    /// Set the watermark of a job: the ticks after it are due again.
    Reset(ask::ResetArgs),
}

/// Runs the command.
///
/// # Errors
///
/// Fails if a setting makes no sense, if the store cannot be asked, or if it knows no such job.
pub(crate) async fn run(command: Command) -> Result<ExitCode, StartError> {
    let locks = LockService::from_env().map_err(|error| StartError::refused(&error))?;
    let admin: Admin = locks.admin();
    match command {
        Command::Ls(args) => list::list(&admin, args).await?,
        Command::Next(args) => list::next(&admin, args).await?,
        Command::Run(args) => ask::run(&admin, args).await?,
        Command::Pause(args) => ask::pause(&admin, args).await?,
        Command::Resume(args) => return ask::resume(&admin, args).await,
        Command::History(args) => history::run(&admin, args).await?,
        Command::Reset(args) => ask::reset(&admin, args).await?,
    }
    Ok(ExitCode::SUCCESS)
}
