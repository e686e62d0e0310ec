//! The example fleet: civic-auth, civic-envelope, civic-client, civic-server and civic-lock in use.
//!
//! One binary with one subcommand per program; `README.md` shows each. Read
//! `cmd/assessment_roll.rs` for a service, `cmd/billing.rs` and `assessment_roll_client.rs` for a
//! service that calls another, and `cmd/penalty_scheduler.rs` for a job on a schedule.

mod assessment_roll_client;
mod cli;
mod cmd;
mod environment;
mod replay_store;
mod serve;

use std::process::ExitCode;
use std::time::Duration;

use civic_lock::SHUTDOWN_BOUND;
use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::environment::{Environment, StartError};
use crate::serve::DRAIN_DELAY;

/// How long the leases take to be given back at the end.
const RELEASE: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.stop_with_stdin {
        civic_lock::stop_with_stdin(DRAIN_DELAY + SHUTDOWN_BOUND + RELEASE);
    }
    match run(cli.command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("civic-fleet: {error}");
            ExitCode::from(match error {
                StartError::Config(_) => 2,
                StartError::System(_) => 1,
            })
        }
    }
}

async fn run(command: Command) -> Result<ExitCode, StartError> {
    match command {
        Command::AssessmentRoll => {
            log_to_stderr("info");
            cmd::assessment_roll::run(&Environment::read()?).await?;
        }
        Command::Billing => {
            log_to_stderr("info");
            cmd::billing::run(&Environment::read()?).await?;
        }
        Command::Conformance => {
            log_to_stderr("info");
            cmd::conformance::run(&Environment::read()?).await?;
        }
        Command::PenaltyScheduler(args) => {
            log_to_stderr("info");
            return cmd::penalty_scheduler::run(args).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Logs what `RUST_LOG` asks for; stdout belongs to machine-readable output.
fn log_to_stderr(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}
