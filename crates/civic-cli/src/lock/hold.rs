//! `civic lock hold`: acquires one lock, for trials against peers in other languages.
//!
//! Without `--hammer` it acquires the lock once (or `--count` times), holds it, releases it, and
//! prints what happened:
//!
//! ```json
//! {"event":"acquired","key":"lock:x","holder":"host:1:5f…:1","fence":1772089200013227,"ttlMs":5000,"t":1772089200013}
//! {"event":"released","key":"lock:x","holder":"host:1:5f…:1","fence":1772089200013227,"ttlMs":5000,"t":1772089201015}
//! ```
//!
//! With `--hammer SECONDS --events FILE` it acquires, holds and releases the lock as often as it
//! can, and appends `{"who","ev":"enter"|"leave","key","t","monoNs","fence","ttl"}` to the file:
//! `enter` after the acquire has succeeded, `leave` before the release is sent, both with
//! CLOCK_MONOTONIC, which all processes of a machine share. If the intervals of two holders in such
//! files overlap, the lock is broken. `ttl` is in seconds, as on the command line. Stdout has a
//! line for each answer to an acquire, with `tookMs`, and for each lease that was lost.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use civic_lock::{Acquisition, LeaseEnd, LeaseGuard, LockName, LockService};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::output::{epoch_millis, mono_nanos, print};
use crate::start_error::StartError;

/// The shortest pause between two attempts of the hammer while another holder has the lock. On
/// average a pause is twice as long.
const HAMMER_PAUSE: Duration = Duration::from_millis(4);

/// What a ttl may be.
const TTLS: RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(604_800);

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The name of the lock; its key is lock:NAME.
    name: LockName,
    /// How long the lease lives without a renewal, in seconds, from 0.5 to 604800 (7 days).
    #[arg(long, value_name = "SECONDS", value_parser = ttl)]
    ttl: Duration,
    /// How long the lock is held, in milliseconds.
    #[arg(long, value_name = "MS")]
    hold: u64,
    /// How many times it is acquired.
    #[arg(long, default_value_t = 1, conflicts_with = "hammer")]
    count: u64,
    /// Acquire, hold and release as often as possible, for this long, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "events")]
    hammer: Option<Duration>,
    /// The file to which the hammer appends what it did.
    #[arg(long, value_name = "FILE", requires = "hammer")]
    events: Option<PathBuf>,
    /// The hammer's name in its events. Defaults to rust: and the process id.
    #[arg(long, requires = "hammer")]
    who: Option<String>,
}

/// One line of output. Members are printed in this order.
#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    key: &'a str,
    holder: Option<&'a str>,
    fence: Option<u64>,
    #[serde(rename = "ttlMs")]
    ttl_ms: Option<u128>,
    t: u128,
    #[serde(rename = "monoNs")]
    mono_ns: u128,
    /// How long the acquire took.
    #[serde(rename = "tookMs", skip_serializing_if = "Option::is_none")]
    took_ms: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

#[derive(Debug, Serialize)]
struct Mark<'a> {
    who: &'a str,
    ev: &'static str,
    key: &'a str,
    t: u128,
    #[serde(rename = "monoNs")]
    mono_ns: u128,
    fence: u64,
    ttl: f64,
}

#[derive(Debug, Default, Serialize)]
struct Tally {
    event: &'static str,
    acquired: u64,
    busy: u64,
    unavailable: u64,
    lost: u64,
}

/// Runs the command. The exit code is 0 if every acquire got the lock and kept it, else 1. For a
/// hammer it is 0 if the store answered every acquire.
///
/// # Errors
///
/// Fails if a setting makes no sense, the file cannot be written, or a signal handler cannot be
/// installed.
pub(crate) async fn run(args: Args) -> Result<ExitCode, StartError> {
    let locks = LockService::from_env().map_err(|error| StartError::refused(&error))?;
    let trial = Trial {
        locks,
        key: args.name.key(),
        name: args.name,
        ttl: args.ttl,
        hold: Duration::from_millis(args.hold),
    };
    let stop = stop_signal()?;
    let went_well = match (args.hammer, args.events) {
        (Some(length), Some(path)) => {
            let events = OpenOptions::new().create(true).append(true).open(path)?;
            let who = args
                .who
                .unwrap_or_else(|| format!("rust:{}", std::process::id()));
            trial.hammer(length, events, &who, stop).await?
        }
        _ => trial.repeat(args.count, stop).await?,
    };
    Ok(if went_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Ready at the first SIGTERM or SIGINT after this call.
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A number of seconds that may have a fraction.
fn seconds(text: &str) -> Result<Duration, String> {
    f64::from_str(text)
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "a number of seconds is expected".to_owned())
}

/// A ttl that a lease may have.
fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = seconds(text)?;
    if TTLS.contains(&ttl) {
        Ok(ttl)
    } else {
        Err("a ttl is 0.5 to 604800 seconds (7 days)".to_owned())
    }
}

struct Trial {
    locks: LockService,
    name: LockName,
    key: String,
    ttl: Duration,
    hold: Duration,
}

impl Trial {
    async fn repeat(&self, count: u64, stop: impl Future<Output = ()>) -> io::Result<bool> {
        let mut stop = std::pin::pin!(stop);
        let mut went_well = true;
        for _ in 0..count {
            let (acquired, stopped) = match self.take().await {
                Acquisition::Acquired(guard) => {
                    let (holder, fence) =
                        (guard.lease().holder().to_owned(), guard.lease().fence());
                    let line = |event| self.line(event, Some(&holder), Some(fence), Some(self.ttl));
                    print(&line("acquired"))?;
                    let stopped = self.hold(&guard, stop.as_mut()).await;
                    let kept = guard.release().await == LeaseEnd::Kept;
                    print(&line(if kept { "released" } else { "lost" }))?;
                    (kept, stopped)
                }
                Acquisition::Busy { holder, ttl } => {
                    print(&self.line("busy", Some(&holder), None, ttl))?;
                    (false, self.pause(self.hold, stop.as_mut()).await)
                }
                Acquisition::Unavailable(error) | Acquisition::Invalid(error) => {
                    let line = self.line("unavailable", None, None, None);
                    print(&Line {
                        cause: Some(error.to_string()),
                        ..line
                    })?;
                    (false, self.pause(self.hold, stop.as_mut()).await)
                }
            };
            went_well &= acquired;
            if stopped {
                break;
            }
        }
        Ok(went_well)
    }

    async fn hammer(
        &self,
        length: Duration,
        mut events: File,
        who: &str,
        stop: impl Future<Output = ()>,
    ) -> io::Result<bool> {
        let mut stop = std::pin::pin!(stop);
        let end = Instant::now() + length;
        let mut tally = Tally {
            event: "hammered",
            ..Tally::default()
        };
        while Instant::now() < end {
            let asked = Instant::now();
            let acquisition = self.take().await;
            let took = |line| Line {
                took_ms: Some(asked.elapsed().as_millis()),
                ..line
            };
            let stopped = match acquisition {
                Acquisition::Acquired(guard) => {
                    let (holder, fence) =
                        (guard.lease().holder().to_owned(), guard.lease().fence());
                    let line = |event| self.line(event, Some(&holder), Some(fence), Some(self.ttl));
                    self.mark(&mut events, who, "enter", fence)?;
                    print(&took(line("acquired")))?;
                    let stopped = self.hold(&guard, stop.as_mut()).await;
                    self.mark(&mut events, who, "leave", fence)?;
                    if guard.release().await == LeaseEnd::Kept {
                        tally.acquired += 1;
                    } else {
                        tally.lost += 1;
                        print(&line("lost"))?;
                    }
                    stopped
                }
                Acquisition::Busy { holder, ttl } => {
                    tally.busy += 1;
                    print(&took(self.line("busy", Some(&holder), None, ttl)))?;
                    let random = uuid::Uuid::new_v4().as_bytes()[0];
                    let pause = HAMMER_PAUSE + HAMMER_PAUSE * u32::from(random) / 128;
                    self.pause(pause, stop.as_mut()).await
                }
                Acquisition::Unavailable(error) | Acquisition::Invalid(error) => {
                    tracing::warn!(%error, "unavailable");
                    tally.unavailable += 1;
                    let line = self.line("unavailable", None, None, None);
                    print(&Line {
                        cause: Some(error.to_string()),
                        ..took(line)
                    })?;
                    self.pause(HAMMER_PAUSE, stop.as_mut()).await
                }
            };
            if stopped {
                break;
            }
        }
        print(&tally)?;
        Ok(tally.unavailable == 0)
    }

    async fn take(&self) -> Acquisition {
        self.locks.try_acquire(&self.name, self.ttl).await
    }

    /// Holds the lock as long as asked for, or until it is lost or the process is told to stop.
    async fn hold(&self, guard: &LeaseGuard, stop: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = stop => true,
            _ = guard.lease().lost() => false,
            () = tokio::time::sleep(self.hold) => false,
        }
    }

    async fn pause(&self, pause: Duration, stop: impl Future<Output = ()>) -> bool {
        tokio::time::timeout(pause, stop).await.is_ok()
    }

    fn line<'a>(
        &'a self,
        event: &'static str,
        holder: Option<&'a str>,
        fence: Option<u64>,
        ttl: Option<Duration>,
    ) -> Line<'a> {
        Line {
            event,
            key: &self.key,
            holder,
            fence,
            ttl_ms: ttl.map(|ttl| ttl.as_millis()),
            t: epoch_millis(),
            mono_ns: mono_nanos(),
            took_ms: None,
            cause: None,
        }
    }

    /// Appends a mark in one write, so that hammers may share a file.
    fn mark(&self, events: &mut File, who: &str, ev: &'static str, fence: u64) -> io::Result<()> {
        let mark = Mark {
            who,
            ev,
            key: &self.key,
            t: epoch_millis(),
            mono_ns: mono_nanos(),
            fence,
            ttl: self.ttl.as_secs_f64(),
        };
        let mut line = serde_json::to_string(&mark)?;
        line.push('\n');
        events.write_all(line.as_bytes())
    }
}
