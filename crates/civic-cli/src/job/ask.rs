//! `civic job run`, `pause`, `resume` and `reset`.

use std::process::ExitCode;

use civic_lock::{Admin, RunRequest, Tick};
use serde::Serialize;

use crate::output::print;
use crate::start_error::StartError;

#[derive(clap::Args, Debug)]
pub(crate) struct JobArgs {
    /// The name of the job.
    name: String,
}

#[derive(clap::Args, Debug)]
pub(crate) struct RunArgs {
    /// The name of the job.
    name: String,
    /// The tick of the run, to repeat one that was missed: RFC 3339, or milliseconds since the
    /// epoch. Defaults to now.
    #[arg(long)]
    tick: Option<Tick>,
}

#[derive(clap::Args, Debug)]
pub(crate) struct ResetArgs {
    /// The name of the job.
    name: String,
    /// The new watermark: RFC 3339, or milliseconds since the epoch. Ticks up to it count as done,
    /// those after it are due again. Defaults to now.
    #[arg(long, value_name = "TICK")]
    to: Option<Tick>,
}

/// What has become of a request. Members are printed in this order; instants are milliseconds
/// since the epoch.
#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tick: Option<Tick>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Tick>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Tick>,
}

/// Asks for a run beside the schedule.
pub(super) async fn run(admin: &Admin, args: RunArgs) -> Result<(), StartError> {
    let (event, tick) = match admin.run_now(args.name.as_str(), args.tick).await? {
        RunRequest::Due(tick) => ("requested", tick),
        RunRequest::AlreadyDue(tick) => ("already-requested", tick),
    };
    print(&Line {
        tick: Some(tick),
        ..Line::new(event, &args.name)
    })?;
    Ok(())
}

/// Pauses a job.
pub(super) async fn pause(admin: &Admin, args: JobArgs) -> Result<(), StartError> {
    let since = admin.pause(args.name.as_str()).await?;
    print(&Line {
        since: Some(since),
        ..Line::new("paused", &args.name)
    })?;
    Ok(())
}

/// Resumes a job. The exit code is 1 if it was not paused.
pub(super) async fn resume(admin: &Admin, args: JobArgs) -> Result<ExitCode, StartError> {
    let since = admin.resume(args.name.as_str()).await?;
    let (event, code) = match since {
        Some(_) => ("resumed", ExitCode::SUCCESS),
        None => ("not-paused", ExitCode::FAILURE),
    };
    print(&Line {
        since,
        ..Line::new(event, &args.name)
    })?;
    Ok(code)
}

/// Sets the watermark of a job.
pub(super) async fn reset(admin: &Admin, args: ResetArgs) -> Result<(), StartError> {
    let to = match args.to {
        Some(to) => to,
        // By the store's clock: this machine's may be the one that is wrong.
        None => admin.job(args.name.as_str()).await?.lock.store_time,
    };
    let before = admin.reset(args.name.as_str(), to).await?;
    print(&Line {
        tick: Some(to),
        before: Some(before),
        ..Line::new("reset", &args.name)
    })?;
    Ok(())
}

// ===== impl Line =====

impl<'a> Line<'a> {
    fn new(event: &'static str, name: &'a str) -> Self {
        Self {
            event,
            name,
            tick: None,
            since: None,
            before: None,
        }
    }
}
