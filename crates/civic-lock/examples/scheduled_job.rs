//! A scheduled job that runs on exactly one of three replicas per tick.
//!
//! ```sh
//! cargo run --package civic-lock --example scheduled_job
//! ```
//!
//! With `REDIS_URL`, the ticks are recorded there; without it, in files of this machine. It prints
//! one line per tick, and then:
//!
//! ```text
//! 3 ticks, none of them twice
//! ```

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use civic_lock::{Job, LockService, Scheduler, Tick};
use tokio_util::sync::CancellationToken;

/// The ticks whose work was done, in the order in which it was.
#[derive(Clone, Default)]
struct Done(Arc<Mutex<Vec<Tick>>>);

/// What each replica of the service runs until it is told to stop.
async fn replica(
    number: u32,
    locks: LockService,
    done: Done,
    stop: CancellationToken,
) -> Result<(), civic_lock::Error> {
    // A real one would be `Job::cron("penalties", "0 2 * * *")?.timezone("America/Toronto")?`.
    let job = Job::every("penalties", Duration::from_secs(1))?;
    let stopped = stop.clone().cancelled_owned();
    Scheduler::new(&locks)
        .job(job, move |run| {
            let (done, stop) = (done.clone(), stop.clone());
            async move {
                run.lease().check()?; // before each side effect
                println!("tick {} on replica {number}", run.tick());
                let mut done = done.0.lock().expect("no one panics while it is locked");
                done.push(run.tick());
                if done.len() == 3 {
                    stop.cancel();
                }
                Ok::<_, civic_lock::LeaseLost>(())
            }
        })?
        .run(stopped)
        .await;
    locks.close(Duration::from_secs(1)).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The names of jobs are shared by all that uses one store.
    let namespace = format!("example-{}", std::process::id());
    let (done, stop) = (Done::default(), CancellationToken::new());
    let mut replicas = tokio::task::JoinSet::new();
    for number in 1..=3 {
        let locks = LockService::builder().namespace(&namespace).build()?;
        replicas.spawn(replica(number, locks, done.clone(), stop.clone()));
    }
    while let Some(ended) = replicas.join_next().await {
        ended??;
    }
    let done = done.0.lock().map_err(|error| error.to_string())?;
    let different: BTreeSet<&Tick> = done.iter().collect();
    assert_eq!(
        different.len(),
        done.len(),
        "a tick was run twice: {done:?}"
    );
    println!("{} ticks, none of them twice", done.len());
    Ok(())
}
