//! The command line.

use clap::{Parser, Subcommand};

use crate::cmd::penalty_scheduler;

/// The example fleet: services, and a job on a schedule, as command-line programs.
///
/// Configured by JWT_SECRET, PORT, HOST, ASSESSMENT_ROLL_URL, REDIS_URL, NODE_ENV and RUST_LOG.
/// Machine-readable output is one JSON object per line on stdout; logs go to stderr.
#[derive(Debug, Parser)]
#[command(name = "civic-fleet", version)]
pub(crate) struct Cli {
    /// Stop as after SIGTERM, when stdin ends: for a supervisor that must leave no process behind.
    #[arg(long, global = true)]
    pub(crate) stop_with_stdin: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the assessment roll, which billing calls.
    AssessmentRoll,
    /// Serve bills, each made from an assessment that it gets from assessment-roll.
    Billing,
    /// Run the penalty calculation on a schedule, on exactly one of the replicas that are started.
    PenaltyScheduler(penalty_scheduler::Args),
    /// Serve assessment-roll's routes and one route per payload shape.
    Conformance,
}
