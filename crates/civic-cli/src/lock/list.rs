//! `civic lock ls`, `civic lock who` and `civic lock break`.

use std::process::ExitCode;
use std::time::Duration;

use civic_lock::{BreakOutcome, LockService, LockStatus};
use serde::Serialize;

use crate::output::print;
use crate::start_error::StartError;
use crate::table::Row;
use crate::watch;

#[derive(clap::Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    options: watch::Options,
}

#[derive(clap::Args, Debug)]
pub(crate) struct WhoArgs {
    /// The name of the lock; its key is lock:NAME.
    name: String,
    #[command(flatten)]
    options: watch::Options,
}

#[derive(clap::Args, Debug)]
pub(crate) struct BreakArgs {
    /// The name of the lock; its key is lock:NAME.
    name: String,
    /// The holder that was seen. The lock of any other holder is not touched.
    #[arg(long)]
    holder: String,
}

/// One lock. Members are printed in this order.
#[derive(Debug, Serialize)]
struct LockRow {
    name: String,
    holder: Option<String>,
    #[serde(rename = "ttlMs")]
    ttl_ms: Option<u128>,
    fence: Option<u64>,
}

/// What has become of an attempt to break a lock.
#[derive(Debug, Serialize)]
struct BreakLine<'a> {
    event: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<u64>,
}

/// Prints every lock that is held.
///
/// # Errors
///
/// Fails if a setting makes no sense, or if the store cannot be asked.
pub(crate) async fn list(args: ListArgs) -> Result<ExitCode, StartError> {
    let admin = service()?.admin();
    let locks = async || {
        let locks = admin.locks().await.map_err(StartError::from)?;
        Ok(locks.into_iter().map(LockRow::new).collect())
    };
    args.options.show(locks).await?;
    Ok(ExitCode::SUCCESS)
}

/// Prints who holds a lock. The exit code is 1 if no one does.
///
/// # Errors
///
/// See [`list`].
pub(crate) async fn who(args: WhoArgs) -> Result<ExitCode, StartError> {
    let admin = service()?.admin();
    let lock = async || {
        let lock = admin.lock(args.name.as_str()).await?;
        Ok(vec![LockRow::new(lock)])
    };
    args.options.show(lock).await?;
    let held = lock()
        .await
        .is_ok_and(|rows: Vec<LockRow>| rows[0].holder.is_some());
    Ok(if held {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Frees a lock if it has the holder that was seen. The exit code is 1 if it has not.
///
/// # Errors
///
/// See [`list`].
pub(crate) async fn break_lock(args: BreakArgs) -> Result<ExitCode, StartError> {
    let admin = service()?.admin();
    let outcome = admin.break_lock(args.name.as_str(), args.holder).await?;
    let line = |event| BreakLine {
        event,
        name: &args.name,
        holder: None,
        fence: None,
    };
    let (line, code) = match outcome {
        BreakOutcome::Broken { fence } => {
            let broken = BreakLine {
                fence: Some(fence),
                ..line("broken")
            };
            (broken, ExitCode::SUCCESS)
        }
        BreakOutcome::OtherHolder { holder } => {
            let other = BreakLine {
                holder: Some(holder),
                ..line("other-holder")
            };
            (other, ExitCode::FAILURE)
        }
        BreakOutcome::Free => (line("free"), ExitCode::FAILURE),
    };
    print(&line)?;
    Ok(code)
}

fn service() -> Result<LockService, StartError> {
    LockService::from_env().map_err(|error| StartError::refused(&error))
}

// ===== impl LockRow =====

impl LockRow {
    fn new(lock: LockStatus) -> Self {
        Self {
            name: lock.name.as_str().to_owned(),
            ttl_ms: lock.ttl.as_ref().map(Duration::as_millis),
            holder: lock.holder,
            fence: lock.fence,
        }
    }
}

impl Row for LockRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "HOLDER", "TTL", "FENCE"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.holder.clone().unwrap_or_else(|| "-".to_owned()),
            self.ttl_ms
                .map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms")),
            self.fence
                .map_or_else(|| "-".to_owned(), |fence| fence.to_string()),
        ]
    }
}
