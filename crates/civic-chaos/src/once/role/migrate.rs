//! A process that comes for a migration when it starts:
//! `migrate KEY FILE TTL_MS WAIT_MS WORK_MS`.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use civic_lock::{LockService, OnceOutcome};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::output::print;
use crate::history::{millis, monotonic};
use crate::once::facts::migration::{Outcome, Stage, Step, Told};
use crate::once::notes;

pub(super) async fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [key, file, ttl, wait, work] = arguments else {
        return Err("migrate needs a key, a file, a ttl, a wait and a length".into());
    };
    let milliseconds = |text: &str| text.parse().map(Duration::from_millis);
    let (file, work) = (PathBuf::from(file), milliseconds(work)?);
    let locks = LockService::from_env()?;
    let began = Instant::now();
    let pid = std::process::id();
    let outcome = locks
        .once(key.as_str())
        .ttl(milliseconds(ttl)?)
        .wait(milliseconds(wait)?)
        .run(|run| async move {
            let note = |step| Step {
                step,
                pid,
                attempt: run.number(),
                fence: run.lease().fence(),
                at: monotonic(),
            };
            notes::append(&file, &note(Stage::Begun))?;
            sleep(work).await;
            notes::append(&file, &note(Stage::Worked))?;
            Ok::<u32, std::io::Error>(pid)
        })
        .await;
    let outcome = match outcome {
        OnceOutcome::Ran { .. } => Outcome::Ran,
        OnceOutcome::AlreadyDone { value, .. } => Outcome::AlreadyDone { by: value },
        OnceOutcome::Running { .. } => Outcome::Running,
        OnceOutcome::Lost { .. } => Outcome::Lost,
        OnceOutcome::NotRecorded { .. } => Outcome::NotRecorded,
        other => Outcome::Other(format!("{other:?}")),
    };
    let told = Told {
        outcome,
        took_ms: millis(began.elapsed()),
    };
    print(&json!({"event": "told", "told": told}))?;
    locks.close(Duration::from_secs(5)).await;
    Ok(())
}
