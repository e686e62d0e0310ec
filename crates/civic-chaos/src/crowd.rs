//! Many callers of one lock in one process, which is a replica of the driver: `civic-chaos crowd`.
//!
//! Each caller asks for the lock twice per second, holds it for an instant, and gives it back. Once
//! per second the process prints how many answers all of them got:
//!
//! ```json
//! {"event":"crowd","answered":397,"unavailable":0,"memoryKb":21000,"monoNs":1795692082232943}
//! ```

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use civic_lock::{Acquisition, LockName, LockService};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until};

use crate::history::monotonic;

/// How long a caller waits after each answer.
const PAUSE: Duration = Duration::from_millis(500);
const HOLD: Duration = Duration::from_millis(5);

/// The answers since they were last printed.
#[derive(Debug, Default)]
struct Answers {
    busy_or_acquired: AtomicU64,
    unavailable: AtomicU64,
}

/// Runs until it is dropped.
///
/// # Errors
///
/// Fails if an argument is missing or makes no sense, or stdout is closed.
pub(crate) async fn run(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let [name, callers, ttl] = arguments else {
        return Err("crowd needs the name of a lock, a number of callers and a ttl".into());
    };
    let locks = LockService::from_env()?;
    let name = LockName::new(name.as_str())?;
    let callers: u32 = callers.parse()?;
    let ttl = Duration::from_secs(ttl.parse()?);
    let answers = Arc::new(Answers::default());
    for caller in 0..callers {
        let (locks, name, answers) = (locks.clone(), name.clone(), answers.clone());
        tokio::spawn(async move {
            // Spread over the pause, so that they do not all come at once.
            sleep(PAUSE * caller / callers).await;
            loop {
                match locks.try_acquire(&name, ttl).await {
                    Acquisition::Acquired(guard) => {
                        sleep(HOLD).await;
                        guard.release().await;
                        answers.busy_or_acquired.fetch_add(1, Ordering::Relaxed);
                    }
                    Acquisition::Busy { .. } => {
                        answers.busy_or_acquired.fetch_add(1, Ordering::Relaxed);
                    }
                    Acquisition::Unavailable(_) | Acquisition::Invalid(_) => {
                        answers.unavailable.fetch_add(1, Ordering::Relaxed);
                    }
                }
                sleep(PAUSE).await;
            }
        });
    }
    let mut next = Instant::now();
    loop {
        next += Duration::from_secs(1);
        sleep_until(next).await;
        let unavailable = answers.unavailable.swap(0, Ordering::Relaxed);
        let line = json!({
            "event": "crowd",
            "answered": answers.busy_or_acquired.swap(0, Ordering::Relaxed) + unavailable,
            "unavailable": unavailable,
            "memoryKb": memory_kb(),
            "monoNs": monotonic(),
        });
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()?;
    }
}

/// Returns the memory that the process occupies. 0 on a system without `/proc`.
fn memory_kb() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse().ok()
        })
        .unwrap_or_default()
}
