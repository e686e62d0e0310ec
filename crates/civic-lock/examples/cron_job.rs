//! Only the lock, around a job that every replica's own cron starts.
//!
//! ```sh
//! cargo run --package civic-lock --example cron_job
//! ```
//!
//! With `REDIS_URL`, the lock is there; without it, it is a file of this machine. It prints:
//!
//! ```text
//! replica 1: sent the reminders, fence …
//! replica 2: nothing to do, … has the lock
//! ```

use std::error::Error;
use std::time::Duration;

use civic_lock::{LockService, Outcome};

/// What the cron of each replica starts, every night at two.
async fn send_reminders(replica: u32, locks: &LockService) -> Result<(), Box<dyn Error>> {
    let outcome = locks
        .request("send-reminders", Duration::from_secs(30))
        // The clocks of the replicas differ: one that comes a little later must not run it again.
        .minimum_hold(Duration::from_secs(10))
        .run(async |lease| {
            // The lease renews itself while the work runs. Ask it before each side effect.
            lease.check()?;
            println!(
                "replica {replica}: sent the reminders, fence {}",
                lease.fence()
            );
            Ok::<_, civic_lock::LeaseLost>(())
        })
        .await;
    match outcome {
        Outcome::Ran { value, .. } => value?,
        Outcome::Busy { holder, .. } => {
            println!("replica {replica}: nothing to do, {holder} has the lock");
        }
        Outcome::Lost { .. } => return Err("the lock was lost, and the work was dropped".into()),
        // The job has not run anywhere because of this call: an alert, or a try again later.
        Outcome::Unavailable(error) | Outcome::Invalid(error) => return Err(error.into()),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Two replicas in one process. The names of locks are shared by all that uses one store, so
    // this example has a namespace of its own.
    let namespace = format!("example-{}", std::process::id());
    for replica in 1..=2 {
        let locks = LockService::builder().namespace(&namespace).build()?;
        send_reminders(replica, &locks).await?;
        // Leases that are still held go back before the process ends.
        locks.close(Duration::from_secs(1)).await;
    }
    Ok(())
}
