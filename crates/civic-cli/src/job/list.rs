//! `civic job ls` and `civic job next`.

use civic_lock::{Admin, JobStatus, Schedule, Tick};
use serde::Serialize;

use crate::start_error::StartError;
use crate::table::Row;
use crate::watch;

#[derive(clap::Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    options: watch::Options,
}

#[derive(clap::Args, Debug)]
pub(crate) struct NextArgs {
    /// The name of the job.
    name: String,
    /// How many ticks.
    #[arg(default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    count: u16,
    #[command(flatten)]
    options: watch::Options,
}

/// One job. Members are printed in this order; instants are milliseconds since the epoch.
#[derive(Debug, Serialize)]
struct JobRow {
    name: String,
    schedule: Option<String>,
    next: Option<Tick>,
    done: Tick,
    claimed: Option<Tick>,
    attempt: u32,
    claimant: Option<String>,
    holder: Option<String>,
    paused: Option<Tick>,
    due: Option<Tick>,
    /// How many schedules are in use. More than one while a deployment rolls.
    schedules: usize,
}

/// One tick to come.
#[derive(Debug, Serialize)]
struct NextRow {
    tick: Tick,
    at: String,
    overdue: bool,
}

/// Prints every job.
pub(super) async fn list(admin: &Admin, args: ListArgs) -> Result<(), StartError> {
    let jobs = async || {
        let jobs = admin.jobs().await?;
        Ok(jobs.iter().map(JobRow::of).collect())
    };
    args.options.show(jobs).await
}

/// Prints the next ticks of a job.
pub(super) async fn next(admin: &Admin, args: NextArgs) -> Result<(), StartError> {
    let ticks = async || {
        let job = admin.job(args.name.as_str()).await?;
        let row = |tick: Tick| NextRow {
            tick,
            at: tick.to_string(),
            overdue: tick <= job.lock.store_time,
        };
        Ok(upcoming(&job, args.count.into())
            .into_iter()
            .map(row)
            .collect())
    };
    args.options.show(ticks).await
}

/// Returns the next ticks by the schedule that was seen last, from the watermark on. There is none
/// if no schedule is known, or if it is one that a later release has written.
fn upcoming(job: &JobStatus, count: usize) -> Vec<Tick> {
    let newest = job
        .schedules
        .iter()
        .max_by_key(|seen| (seen.last, seen.first));
    let ticks = newest.and_then(|newest| {
        let schedule = Schedule::from_text(&newest.schedule).ok()?;
        let after = |tick: &Tick| schedule.next_after(*tick);
        let first = after(&job.done.max(newest.first));
        Some(std::iter::successors(first, after).take(count).collect())
    });
    ticks.unwrap_or_default()
}

// ===== impl JobRow =====

impl JobRow {
    fn of(job: &JobStatus) -> Self {
        let newest = job
            .schedules
            .iter()
            .max_by_key(|seen| (seen.last, seen.first));
        Self {
            name: job.lock.name.as_str().to_owned(),
            schedule: newest.map(|seen| seen.schedule.clone()),
            next: upcoming(job, 1).first().copied(),
            done: job.done,
            claimed: job.claimed.filter(|claimed| *claimed > job.done),
            attempt: job.attempt,
            claimant: job.claimant.clone(),
            holder: job.lock.holder.clone(),
            paused: job.paused,
            due: job.due,
            schedules: job.schedules.len(),
        }
    }

    fn state(&self) -> String {
        if self.claimed.is_some() && self.holder.is_some() && self.holder == self.claimant {
            return match self.attempt {
                0 | 1 => "running".to_owned(),
                attempt => format!("running, attempt {attempt}"),
            };
        }
        match (self.paused, self.claimed, self.due) {
            (Some(_), ..) => "paused".to_owned(),
            (_, Some(_), _) => "waits for a takeover".to_owned(),
            (.., Some(_)) => "run requested".to_owned(),
            _ if self.schedules > 1 => format!("idle, {} schedules", self.schedules),
            _ => "idle".to_owned(),
        }
    }
}

impl Row for JobRow {
    const COLUMNS: &'static [&'static str] =
        &["NAME", "SCHEDULE", "STATE", "DONE", "NEXT", "HOLDER"];

    fn cells(&self) -> Vec<String> {
        let dash = || "-".to_owned();
        vec![
            self.name.clone(),
            self.schedule.clone().unwrap_or_else(dash),
            self.state(),
            self.done.to_string(),
            self.next.map_or_else(dash, |tick| tick.to_string()),
            self.holder.clone().unwrap_or_else(dash),
        ]
    }
}

impl Row for NextRow {
    const COLUMNS: &'static [&'static str] = &["AT", "TICK", ""];

    fn cells(&self) -> Vec<String> {
        let overdue = if self.overdue { "overdue" } else { "" };
        let tick = self.tick.as_millis().to_string();
        vec![self.at.clone(), tick, overdue.to_owned()]
    }
}
