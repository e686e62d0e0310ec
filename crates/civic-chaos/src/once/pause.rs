//! An executor is stopped for longer than its ttl. It wakes after another one has finished, and
//! completes as if nothing had been.

use std::io;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::sleep;

use crate::history::millis;
use crate::once::backend::Fsync;
use crate::once::facts::pause::{Paused, Round, Turn};
use crate::once::process::{Process, Recipe};
use crate::once::site::Site;
use crate::once::store::Store;

const TTL: Duration = Duration::from_millis(700);
/// Shorter than the time for which an executor is stopped: none of it is left when it wakes.
const WORK: Duration = Duration::from_secs(1);
const WAIT: Duration = Duration::from_secs(20);

pub(super) async fn run(site: &Site<'_>) -> io::Result<Paused> {
    let Site {
        options,
        backend,
        folder,
    } = site;
    let store = Store::start(*backend, Fsync::Always).await?;
    let environment = store.environment();
    let mut paused = Paused::default();
    for n in 0..options.rounds {
        let at_most_once = !n.is_multiple_of(2);
        let executor = |result: &str, work: Duration| {
            Recipe::new("executor", folder, "executor")
                .with(&format!("pause-{n}"))
                .with(&result)
                .with(&if at_most_once {
                    "at-most-once"
                } else {
                    "at-least-once"
                })
                .with(&millis(TTL))
                .with(&millis(WAIT))
                .with(&millis(work))
                .with_environment(&environment)
        };
        let mut first = executor("first", WORK).start()?;
        first.event("begun").await?;
        first.signal(Signal::STOP);
        sleep(TTL + TTL / 2).await;
        let second = turn(executor("second", Duration::ZERO).start()?).await?;
        first.signal(Signal::CONT);
        let first = turn(first).await?;
        let third = turn(executor("third", Duration::ZERO).start()?).await?;
        paused.rounds.push(Round {
            at_most_once,
            first,
            second,
            third,
        });
    }
    Ok(paused)
}

async fn turn(mut executor: Process) -> io::Result<Turn> {
    let mut line = executor.event("turn").await?;
    serde_json::from_value(line["turn"].take()).map_err(io::Error::other)
}
