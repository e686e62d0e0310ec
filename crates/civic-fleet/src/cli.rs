//! The command line.

use clap::{Parser, Subcommand};

use crate::cmd::{call, lock, penalty_scheduler, token};

/// The example fleet: services, a client and a lock as command-line programs.
///
/// Configured by JWT_SECRET, PORT, HOST, ASSESSMENT_ROLL_URL, REDIS_URL, NODE_ENV and RUST_LOG.
/// Machine-readable output is one JSON object a line on stdout; logs go to stderr.
#[derive(Debug, Parser)]
#[command(name = "civic-fleet", version)]
pub(crate) struct Cli {
    /// Stop, as at SIGTERM, when stdin ends: for a supervisor that must leave nothing behind, whatever ends it
    #[arg(long, global = true)]
    pub(crate) stop_with_stdin: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the assessment roll: the peer that billing calls
    AssessmentRoll,
    /// Serve bills, each made from an assessment that it asks assessment-roll for
    Billing,
    /// Run the penalty calculation on schedule, on exactly one of the replicas that are started
    PenaltyScheduler(penalty_scheduler::Args),
    /// Serve assessment-roll's routes and one route for each payload shape
    Conformance,
    /// Call a service with the default client stack and print the unwrapped answer
    Call(call::Args),
    /// Take a lock, hold it and release it
    Lock(lock::Args),
    /// Mint a token, or say why one is refused
    #[command(subcommand)]
    Token(token::Command),
}
