//! `civic job history`.

use civic_lock::{Admin, JobRun, Tick};
use serde::Serialize;

use crate::start_error::StartError;
use crate::table::Row;
use crate::watch;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The name of the job.
    name: String,
    /// How many runs. The store keeps 100.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
    #[command(flatten)]
    options: watch::Options,
}

/// One run, or ticks that were not run. Members are printed in this order; instants are
/// milliseconds since the epoch.
#[derive(Debug, Serialize)]
struct RunRow {
    tick: Tick,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Tick>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    outcome: String,
    attempt: u32,
    fence: u64,
    by: String,
    started: Tick,
    #[serde(rename = "durationMs")]
    duration_ms: u128,
}

/// Prints the last runs of a job.
pub(super) async fn run(admin: &Admin, args: Args) -> Result<(), StartError> {
    let runs = async || {
        // Tells a job without runs from one that no one knows.
        admin.job(args.name.as_str()).await?;
        let runs = admin.history(args.name.as_str(), args.limit.into()).await?;
        Ok(runs.into_iter().map(RunRow::new).collect())
    };
    args.options.show(runs).await
}

// ===== impl RunRow =====

impl RunRow {
    fn new(run: JobRun) -> Self {
        Self {
            tick: run.tick,
            until: run.until,
            count: run.count,
            outcome: run.outcome,
            attempt: run.attempt,
            fence: run.fence,
            by: run.by,
            started: run.started,
            duration_ms: run.started.until(run.ended).as_millis(),
        }
    }
}

impl Row for RunRow {
    const COLUMNS: &'static [&'static str] = &[
        "TICK", "OUTCOME", "ATTEMPT", "STARTED", "TOOK", "FENCE", "BY",
    ];

    fn cells(&self) -> Vec<String> {
        let tick = match (self.until, self.count) {
            (Some(until), Some(count)) => format!("{} to {until} ({count})", self.tick),
            _ => self.tick.to_string(),
        };
        vec![
            tick,
            self.outcome.clone(),
            self.attempt.to_string(),
            self.started.to_string(),
            format!("{} ms", self.duration_ms),
            self.fence.to_string(),
            self.by.clone(),
        ]
    }
}
