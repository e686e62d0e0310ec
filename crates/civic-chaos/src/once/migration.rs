//! One migration that many processes come for, one after the other; some of them are killed.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use crate::history::{millis, monotonic};
use crate::once::backend::Fsync;
use crate::once::facts::migration::{Came, Migration, Stage, Step, Told};
use crate::once::notes;
use crate::once::process::{Process, Recipe};
use crate::once::site::Site;
use crate::once::store::Store;
use crate::random::Random;

/// The mean time between two processes: 50 come in a minute.
const BETWEEN: Duration = Duration::from_millis(1200);
const TTL: Duration = Duration::from_secs(2);
/// The kills come while the first third of the processes comes: before the work is done, which
/// takes as long as three of them.
const THIRD: u64 = 3;
const WAIT: Duration = Duration::from_secs(20);
/// How long a process may need beyond its wait, on a busy machine.
const SLACK: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A process that came, until it has ended.
#[derive(Debug)]
struct Coming {
    process: Process,
    came: Came,
}

pub(super) async fn run(site: &Site<'_>) -> io::Result<Migration> {
    let Site {
        options,
        backend,
        folder,
    } = site;
    // Nothing is written that the server has not synced: no process is told what is not true.
    let store = Store::start(*backend, Fsync::Always).await?;
    let file = folder.join("migration.jsonl");
    let of_kills = BETWEEN.mul_f64(options.processes as f64 / THIRD as f64);
    let work = of_kills.mul_f64(3.0 / options.kills.max(1) as f64);
    let recipe = Recipe::new("migrate", folder, "migrate")
        .with(&"migration:0042")
        .with(&file.display())
        .with(&millis(TTL))
        .with(&millis(WAIT))
        .with(&millis(work))
        .with_environment(&store.environment());
    let mut random = Random::new(options.seed);
    let mut migration = Migration {
        wait_ms: millis(WAIT),
        ttl_ms: millis(TTL),
        ..Migration::default()
    };
    let mut coming: Vec<Coming> = Vec::new();
    let mut killed = 0;
    for n in 0..options.processes {
        let process = recipe.start()?;
        let came = Came {
            pid: process.id(),
            killed: None,
            told: None,
        };
        coming.push(Coming { process, came });
        let until = Instant::now() + BETWEEN.mul_f64(random.between(50, 150) as f64 / 100.0);
        let due = options.kills * (n + 1) * THIRD / options.processes.max(1);
        while killed < due.min(options.kills) {
            sleep(Duration::from_millis(random.between(1, millis(BETWEEN)))).await;
            if kill_one(&mut coming, &mut random, &file, &mut migration).await? {
                killed += 1;
            } else {
                break;
            }
        }
        collect(&mut coming, &mut migration)?;
        sleep_until(until).await;
    }
    let end = Instant::now() + WAIT + TTL + SLACK;
    while !coming.is_empty() {
        collect(&mut coming, &mut migration)?;
        if Instant::now() > end {
            return Err(io::Error::other(
                "a process that came for the migration does not end",
            ));
        }
        sleep(LOOK_EVERY).await;
    }
    migration.steps = notes::read(&file)?;
    Ok(migration)
}

/// Kills one of those that are there: the one that does the work twice as often as another one.
/// Returns false if none is there.
async fn kill_one(
    coming: &mut Vec<Coming>,
    random: &mut Random,
    file: &Path,
    migration: &mut Migration,
) -> io::Result<bool> {
    collect(coming, migration)?;
    if coming.is_empty() {
        return Ok(false);
    }
    let steps: Vec<Step> = notes::read(file)?;
    let at_work = steps.last().filter(|step| step.step == Stage::Begun);
    let worker =
        at_work.and_then(|step| coming.iter().position(|coming| coming.came.pid == step.pid));
    let index = match worker {
        Some(worker) if !random.one_in(3) => worker,
        _ => random.index(coming.len()),
    };
    migration.killed_at_work += u64::from(worker == Some(index));
    let Coming {
        mut process,
        mut came,
    } = coming.swap_remove(index);
    came.killed = Some(monotonic());
    process.kill().await?;
    // It may have been told before.
    for line in process.rest().await {
        came.told = told(line)?.or(came.told);
    }
    migration.processes.push(came);
    Ok(true)
}

/// Moves those that have ended by themselves.
fn collect(coming: &mut Vec<Coming>, migration: &mut Migration) -> io::Result<()> {
    let mut index = 0;
    while index < coming.len() {
        if coming[index].process.has_ended()? {
            let Coming { process, came } = &mut coming[index];
            while let Some(line) = process.heard() {
                came.told = told(line)?.or_else(|| came.told.take());
            }
            // Its last line may be on the way from the pipe.
            if came.told.is_some() || process.is_silent() {
                migration.processes.push(coming.swap_remove(index).came);
                continue;
            }
        }
        index += 1;
    }
    Ok(())
}

fn told(mut line: Value) -> io::Result<Option<Told>> {
    if line["event"] != "told" {
        return Ok(None);
    }
    serde_json::from_value(line["told"].take())
        .map(Some)
        .map_err(io::Error::other)
}
