//! Measures how 500 callers of one lock, in one process, come out of an outage of Redis of 20
//! seconds: once Redis is killed and started again, once it is stopped (SIGSTOP) and goes on.
//!
//! Every caller asks for the lock again and again, with a pause of 20 ms, and gives it back when it
//! gets it. The benchmark fails when the callers are not answered as fast as before within 2 s of
//! the return of Redis, or when the process occupies more than a tenth more memory than before, ten
//! seconds after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use civic_bench::median;
use civic_lock::{Acquisition, LockService};
use civic_testkit::redis::RedisServer;
use tokio::task::JoinSet;

const CALLERS: usize = 500;
const TTL: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
/// The first seconds bring the connection, the scripts and the memory that callers need.
const WARM_UP: Duration = Duration::from_secs(5);
const BEFORE: Duration = Duration::from_secs(5);
const OUTAGE: Duration = Duration::from_secs(20);
const AFTER: Duration = Duration::from_secs(10);
const WINDOW: Duration = Duration::from_millis(250);
/// Which part of the rate before the outage is full speed: machines are noisy.
const FULL_SPEED: f64 = 0.9;
const LIMIT: Duration = Duration::from_secs(2);
const MEMORY_LIMIT: f64 = 1.1;

#[derive(Clone, Copy, Debug)]
enum Outage {
    Killed,
    Stopped,
}

/// What one outage has come to.
struct Measured {
    /// When the callers were answered as before. `None` if they never were.
    recovery: Option<Duration>,
    memory: f64,
}

#[tokio::main]
async fn main() {
    println!("{CALLERS} callers of one lock, Redis away for {OUTAGE:?}\n");
    println!(
        " Redis was   answers/s before   full speed after   memory before    peak   10 s after"
    );
    let mut broken = Vec::new();
    for outage in [Outage::Killed, Outage::Stopped] {
        let measured = measure(outage).await;
        match measured.recovery {
            Some(took) if took <= LIMIT => {}
            Some(took) => broken.push(format!("{outage:?}: full speed after {took:.2?}")),
            None => broken.push(format!("{outage:?}: not at full speed within {AFTER:?}")),
        }
        if measured.memory > MEMORY_LIMIT {
            broken.push(format!(
                "{outage:?}: {:.2} of the memory before",
                measured.memory
            ));
        }
    }
    println!("\nthe limits: {LIMIT:?}, and {MEMORY_LIMIT} of the memory before");
    assert!(broken.is_empty(), "{}", broken.join("; "));
}

async fn measure(outage: Outage) -> Measured {
    let mut server = RedisServer::start().await;
    let service = LockService::redis(server.url()).expect("the fixture's URL is valid");
    let answers = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(ask(service.clone(), answers.clone()));
    }
    tokio::time::sleep(WARM_UP).await;
    let before = median(rates(&answers, BEFORE).await);
    let memory_before = memory_kb();

    match outage {
        Outage::Killed => server.kill(),
        Outage::Stopped => server.stop(),
    }
    let mut peak = memory_before;
    let away = Instant::now();
    while away.elapsed() < OUTAGE {
        tokio::time::sleep(WINDOW).await;
        peak = peak.max(memory_kb());
    }
    match outage {
        Outage::Killed => server.restart().await,
        Outage::Stopped => server.cont(),
    }

    let after = rates(&answers, AFTER).await;
    let full_speed = after.iter().position(|rate| *rate >= FULL_SPEED * before);
    let recovery = full_speed.map(|windows| WINDOW * (windows as u32 + 1));
    let memory_after = memory_kb();
    println!(
        "{:>10} {before:>18.0} {:>18} {:>12} KB {:>7} KB {:>9} KB",
        format!("{outage:?}").to_lowercase(),
        recovery.map_or_else(|| "never".to_owned(), |took| format!("{took:.2?}")),
        memory_before,
        peak.max(memory_after),
        memory_after,
    );
    // The leases that are left must not be released in the background of the next measurement.
    callers.shutdown().await;
    service.close(TTL).await;
    Measured {
        recovery,
        memory: memory_after as f64 / memory_before as f64,
    }
}

/// Asks for the lock again and again, releases what it gets, and counts the answers.
async fn ask(service: LockService, answers: Arc<AtomicU64>) {
    loop {
        match service.try_acquire("hot", TTL).await {
            Acquisition::Acquired(guard) => {
                guard.release().await;
                answers.fetch_add(1, Ordering::Relaxed);
            }
            Acquisition::Busy { .. } => {
                answers.fetch_add(1, Ordering::Relaxed);
            }
            Acquisition::Unavailable(_) => {}
            Acquisition::Invalid(error) => panic!("{error}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The answers per second in each window.
async fn rates(answers: &AtomicU64, time: Duration) -> Vec<f64> {
    let mut rates = Vec::new();
    let began = Instant::now();
    while began.elapsed() < time {
        let (counted, at) = (answers.load(Ordering::Relaxed), Instant::now());
        tokio::time::sleep(WINDOW).await;
        let more = answers.load(Ordering::Relaxed) - counted;
        rates.push(more as f64 / at.elapsed().as_secs_f64());
    }
    rates
}

/// The memory that this process occupies.
fn memory_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this system has /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .expect("the kernel counts memory")
}
