//! The command line.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::{call, job, key, lock, once, token};

/// The operator's tool for services that are built with civic: calls them, mints and inspects their
/// tokens, and shows and changes what their locks, scheduled jobs and one-time executions do.
///
/// Configured by JWT_SECRET, REDIS_URL and RUST_LOG. Machine-readable output is one JSON object per
/// line on stdout; logs go to stderr. Exit code 0 is success, 1 is failure, 2 is a mistake in the
/// arguments or the environment.
#[derive(Debug, Parser)]
#[command(name = "civic", version)]
pub(crate) struct Cli {
    /// Stop as after SIGTERM, when stdin ends: for a supervisor that must leave no process behind.
    #[arg(long, global = true)]
    pub(crate) stop_with_stdin: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Call a service with the default client stack, and print the unwrapped answer.
    Call(call::Args),
    /// List, inspect and break locks, and hold one.
    #[command(subcommand)]
    Lock(lock::Command),
    /// List, run, pause and repair scheduled jobs.
    #[command(subcommand)]
    Job(job::Command),
    /// List, inspect and end executions that happen once.
    #[command(subcommand)]
    Once(once::Command),
    /// Make a private key, or print the public half of one.
    #[command(subcommand)]
    Key(key::Command),
    /// Mint a token, or say why one is refused.
    #[command(subcommand)]
    Token(token::Command),
    /// Print the completions of this tool for a shell.
    Completions {
        /// The shell that reads them.
        shell: Shell,
    },
}
