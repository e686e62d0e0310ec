#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod call;
mod cli;
mod job;
mod key;
mod lock;
mod once;
mod output;
mod start_error;
mod table;
mod target;
mod token;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};
use crate::start_error::StartError;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.stop_with_stdin {
        civic_lock::stop_with_stdin(civic_lock::SHUTDOWN_BOUND);
    }
    match run(cli.command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("civic: {error}");
            error.exit_code()
        }
    }
}

async fn run(command: Command) -> Result<ExitCode, StartError> {
    match command {
        Command::Call(args) => call::run(args).await,
        Command::Key(command) => {
            log_to_stderr("warn");
            key::run(command).await
        }
        Command::Token(command) => token::run(command),
        Command::Lock(command) => {
            log_to_stderr("warn");
            lock::run(command).await
        }
        Command::Job(command) => {
            log_to_stderr("warn");
            job::run(command).await
        }
        Command::Once(command) => {
            log_to_stderr("warn");
            once::run(command).await
        }
        Command::Completions { shell } => {
            let mut command = Cli::command();
            let name = command.get_name().to_owned();
            clap_complete::generate(shell, &mut command, name, &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
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
