//! Measures what an operator waits for among 200 jobs and 10 000 locks: `civic lock ls`,
//! `civic job ls` and the commands about one of them, on a single Redis and on a Cluster of three.
//!
//! The time is that of the whole program, start and output included. The benchmark fails when a
//! command takes a second, or does not list everything. `cargo xtask bench` builds the program.

use std::time::{Duration, Instant};

use civic_bench::median;
use civic_lock::{Acquisition, Job, LeaseGuard, LockService, Scheduler};
use civic_testkit::redis::{RedisCluster, RedisServer};
use tokio::process::Command;

const LOCKS: usize = 10_000;
const JOBS: usize = 200;
const ROUNDS: usize = 5;
/// Long enough that no renewal comes in between.
const TTL: Duration = Duration::from_secs(3600);
const LIMIT: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() {
    let program = std::env::var_os("CIVIC_PROGRAM")
        .expect("CIVIC_PROGRAM names the optimised program: run cargo xtask bench operator");
    println!("{LOCKS} locks and {JOBS} jobs, medians of {ROUNDS} rounds\n");
    println!("    store   command                      lines      time");
    let mut slow = Vec::new();
    let single = RedisServer::start().await;
    let cluster = RedisCluster::start(3).await;
    for (store, url) in [("single", single.url()), ("cluster", cluster.url())] {
        let service = LockService::redis(url.as_str()).expect("the fixture's URL is valid");
        register(&service).await;
        let guards = acquire(&service).await;
        for (arguments, lines) in [
            (&["lock", "ls"][..], LOCKS),
            (&["job", "ls"][..], JOBS),
            (&["lock", "who", "lock-17"][..], 1),
            (&["job", "next", "job-17", "5"][..], 5),
            (&["job", "history", "job-17"][..], 0),
        ] {
            let mut times = Vec::new();
            for _ in 0..ROUNDS {
                let began = Instant::now();
                let output = Command::new(&program)
                    .args(arguments)
                    .env_clear()
                    .env("REDIS_URL", &url)
                    .output()
                    .await
                    .expect("the program starts");
                times.push(began.elapsed().as_secs_f64());
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{arguments:?}: {errors}");
                let printed = output.stdout.iter().filter(|byte| **byte == b'\n').count();
                assert_eq!(printed, lines, "{arguments:?} on {store}");
            }
            let took = Duration::from_secs_f64(median(times));
            println!(
                "{store:>9}   civic {:<22} {lines:>6} {took:>9.0?}",
                arguments.join(" ")
            );
            if took >= LIMIT {
                slow.push(format!(
                    "civic {} on {store}: {took:.0?}",
                    arguments.join(" ")
                ));
            }
        }
        for guard in guards {
            guard.release().await;
        }
    }
    println!("\nthe limit is {LIMIT:?}");
    assert!(slow.is_empty(), "{}", slow.join("; "));
}

/// Lets a replica register the jobs, none of which is due.
async fn register(service: &LockService) {
    let mut scheduler = Scheduler::new(service);
    for n in 0..JOBS {
        let job = Job::cron(format!("job-{n}").as_str(), "0 0 29 2 *").expect("a valid job");
        let idle = |_| async { Ok::<(), std::io::Error>(()) };
        scheduler = scheduler.job(job, idle).expect("a valid job");
    }
    let admin = service.admin();
    let registered = async {
        while admin.jobs().await.map_or(0, |jobs| jobs.len()) < JOBS {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    scheduler.run(registered).await;
}

async fn acquire(service: &LockService) -> Vec<LeaseGuard> {
    let mut guards = Vec::with_capacity(LOCKS);
    for n in 0..LOCKS {
        match service.try_acquire(format!("lock-{n}"), TTL).await {
            Acquisition::Acquired(guard) => guards.push(guard),
            other => panic!("lock {n} could not be acquired: {other:?}"),
        }
    }
    guards
}
