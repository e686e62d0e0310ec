//! One candidate of an election, which is a replica of the driver: `civic-chaos candidate`.
//!
//! It campaigns, leads for a while, resigns, and begins again. While it leads it writes to a
//! [resource that compares fences](crate::ledger), without a look at its lease: only what tells it
//! that it leads no more ends its writes. It prints when it is elected, when it is about to resign,
//! and when it is told that it has lost its leadership:
//!
//! ```json
//! {"event":"elected","fence":1795692082232943,"monoNs":1795692082232943}
//! {"event":"resigning","fence":1795692082232943,"monoNs":1795692083232943}
//! {"event":"deposed","fence":1795692082232943,"monoNs":1795692083232943}
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::pin::{Pin, pin};
use std::time::Duration;

use civic_lock::{Election, Leadership, LockService};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing_subscriber::filter::LevelFilter;

use crate::history::monotonic;
use crate::ledger::Ledger;

const BETWEEN_WRITES: Duration = Duration::from_millis(25);
/// How long the end of a process may wait for what it gives back.
const CLOSE: Duration = Duration::from_secs(2);

/// Runs until `stop` is ready, and resigns then.
///
/// # Errors
///
/// Fails if an argument is missing or makes no sense, stdout is closed, or waiting cannot heal what
/// keeps it from being elected.
pub(crate) async fn run(
    arguments: &[String],
    stop: impl Future<Output = ()>,
) -> Result<(), Box<dyn Error>> {
    let [name, ttl, term, ledger] = arguments else {
        return Err("candidate needs a name, a ttl, a term and a resource".into());
    };
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(LevelFilter::WARN)
        .init();
    let replica = std::env::var("REPLICA")?;
    let life = replica.rsplit('.').next().unwrap_or_default().parse()?;
    let mut ledger = Ledger::open(Path::new(ledger), life)?;
    let locks = LockService::from_env()?;
    let election = locks.election(name.as_str(), Duration::from_secs(ttl.parse()?))?;
    let term = Duration::from_millis(term.parse()?);
    let mut stop = pin!(stop);
    loop {
        let leadership = tokio::select! {
            leadership = election.campaign() => leadership?,
            () = &mut stop => break,
        };
        print("elected", &leadership)?;
        match lead(&leadership, &election, term, &mut ledger, stop.as_mut()).await? {
            End::Deposed => print("deposed", &leadership)?,
            End::TermIsOver => {
                print("resigning", &leadership)?;
                leadership.resign().await;
            }
            End::Stopped => {
                print("resigning", &leadership)?;
                leadership.resign().await;
                break;
            }
        }
    }
    locks.close(CLOSE).await;
    Ok(())
}

/// Why a leader leads no more.
enum End {
    Deposed,
    TermIsOver,
    Stopped,
}

async fn lead(
    leadership: &Leadership,
    election: &Election,
    term: Duration,
    ledger: &mut Ledger,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> io::Result<End> {
    let mut term = pin!(sleep(term));
    let mut writes = interval(BETWEEN_WRITES);
    writes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // A write that is due comes before the news: it is what a fence is for.
            biased;
            _ = writes.tick() => ledger.write(leadership.fence(), election.is_leader())?,
            _ = leadership.lost() => return Ok(End::Deposed),
            () = &mut stop => return Ok(End::Stopped),
            () = &mut term => return Ok(End::TermIsOver),
        }
    }
}

fn print(event: &str, leadership: &Leadership) -> io::Result<()> {
    let line = json!({
        "event": event,
        "fence": leadership.fence(),
        "monoNs": monotonic(),
    });
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
