//! `civic-fleet penalty-scheduler`: a replica that runs the platform's penalty calculation.
//!
//! Start several. Each prints the events of the job as one JSON object per line:
//!
//! ```json
//! {"event":"started","tick":1772089200000,"replica":"a","fence":1772089200013227,"attempt":1}
//! {"event":"ran","tick":1772089200000,"replica":"a","fence":1772089200013227,"attempt":1}
//! ```
//!
//! `tick` is the scheduled instant in milliseconds since the epoch; `started` comes before the
//! work, `ran` or `took-over` after it; each line ends with the instant of the event, `t` in
//! milliseconds since the epoch and `monoNs` of CLOCK_MONOTONIC. `skipped`, `missed`, `unavailable`
//! and `clock-ahead` have no fence and no attempt; `missed` has `until`, the last tick that was
//! missed, and `count`. The lock is `lock:cron:penalty-calculation`, which the platform's Node
//! replicas acquire too.

use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use civic_lock::{
    Coalesce, Delivery, Event, Job, LockService, SHUTDOWN_BOUND, Schedule, Scheduler,
};
use civic_server::Shutdown;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::environment::StartError;

const JOB: &str = "cron:penalty-calculation";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The name of the job, and of its lock. Replicas of one name share their ticks.
    #[arg(long, env = "CIVIC_JOB", default_value = JOB, value_name = "NAME")]
    job: String,
    /// When penalties are calculated: a cron expression of five fields, or six with seconds in
    /// front, or "@every 1s", aligned to the epoch.
    #[arg(long, env = "CIVIC_SCHEDULE", default_value = "0 2 * * *")]
    schedule: Schedule,
    /// The IANA name of the time zone in which the cron expression is read; empty is UTC.
    #[arg(
        long,
        env = "CIVIC_TIMEZONE",
        default_value = "UTC",
        value_name = "ZONE"
    )]
    timezone: String,
    /// How long the calculation takes, in milliseconds.
    #[arg(long, env = "CIVIC_JOB_MS", default_value_t = 100, value_name = "MS")]
    job_ms: u64,
    /// How long a lease lives without a renewal, in seconds, and so how long a dead replica keeps
    /// its tick.
    #[arg(long, env = "CIVIC_LOCK_TTL", default_value = "30", value_name = "SECONDS", value_parser = seconds)]
    lock_ttl: Duration,
    /// Whether a tick whose replica died runs again: at-least-once or at-most-once.
    #[arg(long, env = "CIVIC_DELIVERY", default_value = "at-least-once", value_parser = delivery)]
    delivery: Delivery,
    /// How late a tick may begin, or begin again, in seconds; after that it is missed. Defaults to
    /// half the interval, at least one minute and two ttl, at most one hour.
    #[arg(long, env = "CIVIC_MISFIRE_GRACE", value_name = "SECONDS", value_parser = seconds)]
    misfire_grace: Option<Duration>,
    /// What becomes of ticks that are due at once: every, latest or skip.
    #[arg(long, env = "CIVIC_COALESCE", default_value = "latest", value_parser = coalesce)]
    coalesce: Coalesce,
    /// How often a tick is begun at most, if its replicas die of it. Defaults to 10.
    #[arg(long, env = "CIVIC_MAX_ATTEMPTS", value_name = "N")]
    max_attempts: Option<u32>,
    /// How long the calculation may go on when the replica is told to stop, in milliseconds; then
    /// its tick is handed over.
    #[arg(
        long,
        env = "CIVIC_SHUTDOWN_BOUND_MS",
        default_value_t = SHUTDOWN_BOUND.as_millis() as u64,
        value_name = "MS"
    )]
    shutdown_bound_ms: u64,
    /// How far this replica's clock is ahead, in milliseconds; negative if it is behind. For
    /// trials.
    #[arg(
        long,
        env = "CIVIC_CLOCK_SKEW_MS",
        default_value_t = 0,
        value_name = "MS",
        allow_negative_numbers = true
    )]
    clock_skew_ms: i64,
    /// The name of this replica in its output. Defaults to its process id.
    #[arg(long, env = "REPLICA", value_name = "NAME")]
    replica: Option<String>,
}

/// One line of output. Members are printed in this order.
#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    tick: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    replica: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    t: u128,
    #[serde(rename = "monoNs")]
    mono_ns: u128,
}

/// Runs the command.
///
/// # Errors
///
/// Fails if a setting makes no sense, or a signal handler cannot be installed.
pub(crate) async fn run(args: Args) -> Result<ExitCode, StartError> {
    let shutdown = Shutdown::on_signals()?;
    let locks = LockService::from_env().map_err(|error| StartError::refused(&error))?;
    let zone = Some(args.timezone.as_str())
        .filter(|zone| !zone.is_empty())
        .unwrap_or("UTC");
    let schedule = args
        .schedule
        .timezone(zone)
        .map_err(|error| StartError::refused(&error))?;
    let replica = args
        .replica
        .unwrap_or_else(|| std::process::id().to_string());

    let name = args.job;
    let mut job = Job::new(name.as_str(), schedule)
        .map_err(|error| StartError::refused(&error))?
        .ttl(args.lock_ttl)
        .delivery(args.delivery)
        .coalesce(args.coalesce);
    if let Some(attempts) = args.max_attempts {
        job = job.max_attempts(attempts);
    }
    if let Some(grace) = args.misfire_grace {
        job = job.misfire_grace(grace);
    }

    let calculation = Duration::from_millis(args.job_ms);
    let skew = Duration::from_millis(args.clock_skew_ms.unsigned_abs());
    let ahead = args.clock_skew_ms >= 0;
    let scheduler = Scheduler::new(&locks)
        .shutdown_bound(Duration::from_millis(args.shutdown_bound_ms))
        .clock(move || {
            if ahead {
                SystemTime::now() + skew
            } else {
                SystemTime::now() - skew
            }
        })
        .on_event(move |_, event| {
            // A reader that is gone must not stop the penalties.
            let _ = print(&Line::of(event, &replica));
        })
        .job(job, move |run| async move {
            // Real work would ask before each side effect, and send the fence along.
            run.lease().check()?;
            tokio::time::sleep(calculation).await;
            Ok::<(), civic_lock::LeaseLost>(())
        })
        .map_err(|error| StartError::refused(&error))?;

    tracing::info!(job = name, backend = ?locks.backend(), "waiting for ticks");
    tokio::select! {
        () = scheduler.run(shutdown.draining()) => {}
        // A second signal: the work is dropped at once.
        () = shutdown.aborting() => {}
    }
    // The leases are given back last, and the process does not end before.
    let left = locks.close(Duration::from_secs(1)).await;
    tracing::info!(leases_left = left, "stopped");
    Ok(ExitCode::SUCCESS)
}

// ===== impl Line =====

impl<'a> Line<'a> {
    fn of(event: &Event, replica: &'a str) -> Self {
        let attempt = event.attempt();
        let range = match event {
            Event::Missed { until, count, .. } => Some((until.as_millis(), *count)),
            _ => None,
        };
        Self {
            event: event.name(),
            tick: event.tick().map(civic_lock::Tick::as_millis),
            until: range.map(|(until, _)| until),
            count: range.map(|(_, count)| count),
            replica,
            fence: attempt.map(|attempt| attempt.fence),
            attempt: attempt.map(|attempt| attempt.number),
            cause: match event {
                Event::Lost { reason, .. } => Some(reason.to_string()),
                Event::Failed { error, .. } => Some(error.to_string()),
                Event::RanByPeer { holder, .. } | Event::PeerUnknown { holder, .. } => {
                    Some(format!("peer {holder}"))
                }
                Event::ClockSuspect { local, store } => {
                    Some(format!("this clock says {local}, the store's {store}"))
                }
                Event::WatermarkAhead { done, .. } => Some(format!("the watermark is {done}")),
                Event::Rescheduled { before: other } | Event::ConflictingSchedules { other } => {
                    Some(format!("the other schedule is {other}"))
                }
                Event::Unrecorded { cause, .. } | Event::Unavailable { cause, .. } => {
                    Some(cause.to_string())
                }
                _ => None,
            },
            t: epoch_millis(),
            mono_ns: mono_nanos(),
        }
    }
}

/// Prints one JSON object per line, at once: a program that reads it waits on a pipe.
fn print(line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Returns milliseconds since the epoch, by the system's clock.
fn epoch_millis() -> u128 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis()
}

/// Returns nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share.
fn mono_nanos() -> u128 {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
    .as_nanos()
}

/// Parses a number of seconds that may have a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    f64::from_str(text)
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a number of seconds is expected".to_owned())
}

fn coalesce(text: &str) -> Result<Coalesce, String> {
    match text {
        "every" => Ok(Coalesce::Every),
        "latest" => Ok(Coalesce::Latest),
        "skip" => Ok(Coalesce::Skip),
        _ => Err("every, latest or skip is expected".to_owned()),
    }
}

fn delivery(text: &str) -> Result<Delivery, String> {
    match text {
        "at-least-once" => Ok(Delivery::AtLeastOnce),
        "at-most-once" => Ok(Delivery::AtMostOnce),
        _ => Err("at-least-once or at-most-once is expected".to_owned()),
    }
}
