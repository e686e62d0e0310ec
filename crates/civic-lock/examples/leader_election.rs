//! Three replicas campaign for one leadership. Each leads once, for a moment, and then resigns; the
//! next one is elected at once, with a larger fence.
//!
//! ```sh
//! cargo run --package civic-lock --example leader_election
//! ```
//!
//! With `REDIS_URL` the replicas elect there; without it, on files of this machine. It prints:
//!
//! ```text
//! a: writing with fence …
//! observer: the leader has fence …
//! a: resigned after 3 reports
//! b: resigned after 3 reports
//! c: resigned after 3 reports
//! ```

use std::time::Duration;

use civic_lock::{Lease, LockService, Observation, Term};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let locks = LockService::from_env()?;
    let ttl = Duration::from_secs(5);

    // Any process can watch, whether or not it campaigns.
    let mut observer = locks.election("example:reports", ttl)?.observe()?;
    let watching = tokio::spawn(async move {
        loop {
            if let Observation::Leader(leader) = observer.changed().await
                && let Some(fence) = leader.fence
            {
                println!("observer: the leader has fence {fence}");
            }
        }
    });

    let mut replicas = JoinSet::new();
    for replica in ["a", "b", "c"] {
        let election = locks.election("example:reports", ttl)?;
        replicas.spawn(async move {
            let term = election
                .run_while_leader(|lease| write_reports(replica, lease))
                .await?;
            match term {
                Term::Ended { value, .. } => {
                    println!("{replica}: resigned after {value} reports");
                }
                // The work was dropped. A service would campaign again.
                Term::Lost { reason, .. } => println!("{replica}: no longer the leader: {reason}"),
            }
            Ok::<_, civic_lock::Error>(())
        });
    }
    while let Some(ended) = replicas.join_next().await {
        ended??;
    }
    watching.abort();
    // Last of all: what is still given back in the background.
    locks.close(Duration::from_secs(1)).await;
    Ok(())
}

async fn write_reports(replica: &str, lease: Lease) -> u32 {
    let mut reports = 0;
    while reports < 3 && lease.check().is_ok() {
        println!("{replica}: writing with fence {}", lease.fence());
        tokio::time::sleep(Duration::from_millis(300)).await;
        reports += 1;
    }
    reports
}
