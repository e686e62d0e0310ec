//! Something that has to happen once, however many replicas start at the same time.
//!
//! ```sh
//! cargo run --package civic-lock --example migration
//! ```
//!
//! With `REDIS_URL`, the record is there; without it, in a file of this machine. It prints:
//!
//! ```text
//! migrating, attempt 1
//! 5 replicas have started: 1 has migrated, 4 were told that it was done
//! ```

use std::error::Error;
use std::time::Duration;

use civic_lock::{LockService, OnceAttempt, OnceOutcome};
use tokio::task::JoinSet;

/// Each step asks what is left to do: after a crash the next replica runs it again.
async fn migrate(attempt: OnceAttempt) -> Result<(), String> {
    attempt.lease().check().map_err(|lost| lost.to_string())?; // before each step
    println!("migrating, attempt {}", attempt.number());
    Ok(())
}

/// What became of the migration where a replica has started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Started {
    Migrated,
    Told,
}

/// What a replica does before it serves.
async fn start(locks: LockService) -> Result<Started, String> {
    let outcome = locks
        .once("migration:2026-11-index")
        .wait(Duration::from_secs(120)) // what the start-up probe allows
        .run(migrate)
        .await;
    match outcome {
        OnceOutcome::Ran { .. } => Ok(Started::Migrated),
        OnceOutcome::AlreadyDone { .. } => Ok(Started::Told),
        other => Err(format!("the migration is not done: {other:?}")),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The keys are shared by all that uses one store, and a record is kept for 400 days.
    let namespace = format!("example-{}", std::process::id());
    let mut replicas = JoinSet::new();
    for _ in 0..5 {
        replicas.spawn(start(LockService::builder().namespace(&namespace).build()?));
    }
    let mut started = Vec::new();
    while let Some(replica) = replicas.join_next().await {
        started.push(replica??);
    }
    let count = |what| started.iter().filter(|started| **started == what).count();
    println!(
        "{} replicas have started: {} has migrated, {} were told that it was done",
        started.len(),
        count(Started::Migrated),
        count(Started::Told)
    );
    Ok(())
}
