//! `civic once ls`.

use std::process::ExitCode;
use std::time::Duration;

use civic_lock::{Admin, OnceKey, OnceState, OnceStatus, Tick};
use clap::ValueEnum;
use serde::Serialize;

use crate::start_error::StartError;
use crate::table::Row;
use crate::watch;

/// How many records are read at a time.
const PAGE: usize = 1000;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print at most this many.
    #[arg(long, value_name = "N", default_value = "1000",
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print those after this key, for the next page.
    #[arg(long, value_name = "KEY")]
    after: Option<OnceKey>,
    /// Print those in this state only.
    #[arg(long)]
    state: Option<State>,
    #[command(flatten)]
    options: watch::Options,
}

/// A state, as an argument.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum State {
    Running,
    Done,
    DoneWithoutResult,
    Resolved,
    InDoubt,
    Abandoned,
    Free,
}

/// One execution. Members are printed in this order; instants are milliseconds since the epoch.
#[derive(Debug, Serialize)]
pub(super) struct OnceRow {
    key: String,
    state: &'static str,
    attempt: u32,
    holder: String,
    fence: u64,
    delivery: &'static str,
    begun: Tick,
    completed: Option<Tick>,
    expires: Tick,
    #[serde(rename = "ttlMs")]
    ttl_ms: Option<u128>,
}

/// Prints the executions.
pub(super) async fn run(admin: &Admin, args: Args) -> Result<ExitCode, StartError> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let rows = async || {
        let keys = admin.once_keys().await?;
        let first = match &args.after {
            Some(after) => keys.partition_point(|key| key <= after),
            None => 0,
        };
        let mut rows = Vec::new();
        for page in keys[first..].chunks(limit.min(PAGE)) {
            let page = admin.once_records(page).await?;
            let wanted = page
                .iter()
                .filter(|status| args.state.is_none_or(|state| state.is(status.state)));
            rows.extend(wanted.map(OnceRow::of));
            if rows.len() >= limit {
                break;
            }
        }
        rows.truncate(limit);
        Ok(rows)
    };
    args.options.show(rows).await?;
    Ok(ExitCode::SUCCESS)
}

// ===== impl State =====

impl State {
    fn is(self, state: OnceState) -> bool {
        let wanted = match self {
            Self::Running => OnceState::Running,
            Self::Done => OnceState::Done,
            Self::DoneWithoutResult => OnceState::DoneWithoutResult,
            Self::Resolved => OnceState::Resolved,
            Self::InDoubt => OnceState::InDoubt,
            Self::Abandoned => OnceState::Abandoned,
            Self::Free => OnceState::Free,
        };
        state == wanted
    }
}

// ===== impl OnceRow =====

impl OnceRow {
    pub(super) fn of(status: &OnceStatus) -> Self {
        Self {
            key: status.key.as_str().to_owned(),
            state: status.state.as_str(),
            attempt: status.attempt,
            holder: status.holder.clone(),
            fence: status.fence,
            delivery: status.delivery.as_str(),
            begun: status.begun,
            completed: status.completed,
            expires: status.expires,
            ttl_ms: status.ttl.as_ref().map(Duration::as_millis),
        }
    }
}

impl Row for OnceRow {
    const COLUMNS: &'static [&'static str] =
        &["KEY", "STATE", "ATTEMPT", "BEGUN", "COMPLETED", "HOLDER"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.key.clone(),
            self.state.to_owned(),
            self.attempt.to_string(),
            self.begun.to_string(),
            self.completed
                .map_or_else(|| "-".to_owned(), |completed| completed.to_string()),
            self.holder.clone(),
        ]
    }
}
