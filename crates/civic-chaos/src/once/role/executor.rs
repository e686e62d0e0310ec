//! An executor that does not look whether it still may: `executor KEY RESULT DELIVERY TTL_MS
//! WAIT_MS WORK_MS`.

use std::error::Error;
use std::time::Duration;

use civic_lock::{Delivery, LockService, OnceBegun};
use serde_json::json;
use tokio::time::sleep;

use super::output::print;
use crate::once::facts::pause::Turn;

pub(super) async fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [key, result, delivery, ttl, wait, work] = arguments else {
        return Err("executor needs a key, a result, a delivery and three lengths of time".into());
    };
    let milliseconds = |text: &str| text.parse().map(Duration::from_millis);
    let locks = LockService::from_env()?;
    let begun = locks
        .once(key.as_str())
        .delivery(match delivery.as_str() {
            "at-most-once" => Delivery::AtMostOnce,
            _ => Delivery::AtLeastOnce,
        })
        .ttl(milliseconds(ttl)?)
        .wait(milliseconds(wait)?)
        .begin()
        .await;
    let turn = match begun {
        OnceBegun::Started(run) => {
            let (attempt, fence) = (run.attempt(), run.lease().fence());
            print(&json!({"event": "begun", "attempt": attempt, "fence": fence}))?;
            sleep(milliseconds(work)?).await;
            let (outcome, result) = match run.complete(result.as_bytes()).await {
                Ok(record) => ("completed".to_owned(), text(record.result())),
                Err(_) => ("refused".to_owned(), String::new()),
            };
            Turn {
                outcome,
                attempt,
                fence,
                result,
            }
        }
        OnceBegun::Done(record) => Turn {
            outcome: "done".to_owned(),
            attempt: record.attempt(),
            fence: record.fence(),
            result: text(record.result()),
        },
        OnceBegun::InDoubt { attempt, .. } => Turn {
            outcome: "in-doubt".to_owned(),
            attempt,
            ..Turn::default()
        },
        OnceBegun::Running { .. } => Turn {
            outcome: "running".to_owned(),
            ..Turn::default()
        },
        other => Turn {
            outcome: format!("{other:?}"),
            ..Turn::default()
        },
    };
    print(&json!({"event": "turn", "turn": turn}))?;
    locks.close(Duration::from_secs(5)).await;
    Ok(())
}

fn text(result: &[u8]) -> String {
    String::from_utf8_lossy(result).into_owned()
}
