//! `civic once resolve`.

use std::process::ExitCode;

use civic_lock::{Admin, OnceKey, ResolveOnce, ResolveOutcome};
use serde::Serialize;

use crate::output::print;
use crate::start_error::StartError;

#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("end").required(true))]
pub(crate) struct Args {
    /// The key of the execution, without the prefix of its lock.
    key: OnceKey,
    /// The holder that was seen. An attempt of any other holder is not touched.
    #[arg(long)]
    holder: String,
    /// The attempt that was seen. Another one is not touched.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: u32,
    /// The effect is there: the execution counts as finished, and is not run again.
    #[arg(long, group = "end")]
    done: bool,
    /// The effect is not there: the next call runs the execution.
    #[arg(long, group = "end")]
    free: bool,
}

/// What has become of an attempt to end an execution.
#[derive(Debug, Serialize)]
struct Line<'a> {
    event: &'static str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(rename = "ttlMs", skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u128>,
}

/// Ends an execution. The exit code is 1 if it is not what was seen.
pub(super) async fn run(admin: &Admin, args: Args) -> Result<ExitCode, StartError> {
    // The group lets one of the two in.
    let to = if args.free && !args.done {
        ResolveOnce::Free
    } else {
        ResolveOnce::Done
    };
    let line = |event| Line {
        event,
        key: args.key.as_str(),
        state: None,
        holder: None,
        attempt: None,
        ttl_ms: None,
    };
    let outcome = admin.resolve_once(&args.key, &args.holder, args.attempt, to);
    let (line, code) = match outcome.await? {
        ResolveOutcome::Resolved => (line("resolved"), ExitCode::SUCCESS),
        ResolveOutcome::Running { ttl } => {
            let running = Line {
                ttl_ms: ttl.map(|ttl| ttl.as_millis()),
                ..line("running")
            };
            (running, ExitCode::FAILURE)
        }
        ResolveOutcome::Changed {
            state,
            holder,
            attempt,
        } => {
            let changed = Line {
                state: Some(state.as_str()),
                holder: Some(holder),
                attempt: Some(attempt),
                ..line("changed")
            };
            (changed, ExitCode::FAILURE)
        }
        ResolveOutcome::Unknown => (line("unknown"), ExitCode::FAILURE),
    };
    print(&line)?;
    Ok(code)
}
