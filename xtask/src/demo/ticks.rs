//! Three replicas of one scheduler, and one of them killed in the middle of its work.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::process::{Event, Fleet, Process, next};
use super::report::Report;

const REPLICAS: [&str; 3] = ["replica-a", "replica-b", "replica-c"];
const INTERVAL: Duration = Duration::from_secs(2);
/// Long enough for a kill to come in the middle.
const JOB: Duration = Duration::from_millis(600);
/// More than a machine under load stands still, so that no living replica loses its lease here.
const TTL: Duration = Duration::from_secs(3);
/// Ticks of an earlier demo on the same Redis are left alone after this.
const GRACE: Duration = Duration::from_secs(20);
/// A takeover comes within the TTL and a jitter; the rest is for a machine under load.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(10);
/// How long any single event may be awaited.
const PATIENCE: Duration = Duration::from_secs(15);

/// One piece of work as a replica reported it.
#[derive(Clone, Debug)]
struct Run {
    replica: String,
    tick: u64,
    fence: u64,
    attempt: u64,
    at: Instant,
}

/// A folder of this demo's own for the locks of this machine, removed with what is in it.
#[derive(Debug)]
struct Folder(PathBuf);

/// What was heard so far.
#[derive(Debug)]
struct Watch {
    events: Receiver<Event>,
    /// Earlier ticks, in milliseconds since the epoch, are of an earlier demo on the same Redis.
    since: u64,
    started: Vec<Run>,
    done: Vec<Run>,
}

pub(super) fn play(fleet: &Fleet, report: &mut Report) -> Result<(), String> {
    report.scene("Three replicas of penalty-scheduler, one tick every 2 s");
    let folder = Folder::beside(&fleet.programs().fleet);
    let (fleet, store) = match std::env::var("REDIS_URL") {
        Ok(url) if !url.is_empty() => (fleet.with("REDIS_URL", url), "on the Redis of REDIS_URL"),
        _ => (
            fleet.with("CIVIC_LOCK_DIR", folder.0.to_string_lossy()),
            "through files of this machine; with REDIS_URL they would use Redis",
        ),
    };
    report.say(format_args!("they coordinate {store}"));
    let fleet = fleet
        .with("CIVIC_SCHEDULE", format!("@every {}s", INTERVAL.as_secs()))
        .with("CIVIC_JOB_MS", JOB.as_millis().to_string())
        .with("CIVIC_LOCK_TTL", TTL.as_secs().to_string())
        .with("CIVIC_MISFIRE_GRACE", GRACE.as_secs().to_string())
        .with("CIVIC_COALESCE", "every");
    let (sender, events) = channel();
    let mut replicas = BTreeMap::new();
    for name in REPLICAS {
        let process =
            fleet
                .with("REPLICA", name)
                .start(name, &["penalty-scheduler"], sender.clone())?;
        report.detail(format_args!("{name}  process {}", process.id()));
        replicas.insert(name.to_owned(), process);
    }
    drop(sender);
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis() as u64;
    let mut watch = Watch {
        events,
        since,
        started: Vec::new(),
        done: Vec::new(),
    };

    watch.until_done(4)?;
    every_tick_once(&watch, report);

    report.scene("kill -9 of the replica that is at work");
    let victim = watch.next_started(|_| true)?;
    let Some(mut process) = replicas.remove(&victim.replica) else {
        return Err(format!("an unknown replica reported: {}", victim.replica));
    };
    process.kill_dash_nine()?;
    let killed = Instant::now();
    report.say(format_args!(
        "{} killed in mid-tick {}, {} ms after it began",
        victim.replica,
        victim.tick,
        killed.duration_since(victim.at).as_millis()
    ));
    takeover(&mut watch, &victim, killed, report)?;

    let before = watch.done.len();
    watch.until_done(before + 2)?;
    life_goes_on(&watch, &victim, report);
    close(replicas, report)
}

fn every_tick_once(watch: &Watch, report: &mut Report) {
    report.say(ran_on("ticks", watch.done.iter()));
    for run in &watch.done {
        report.detail(run);
    }
    let ticks: Vec<_> = watch.done.iter().map(|run| run.tick).collect();
    let interval = INTERVAL.as_millis() as u64;
    report.check(
        "Each tick ran on exactly one of three replicas, and none was left out",
        ticks.windows(2).all(|pair| pair[1] == pair[0] + interval)
            && watch.started.len() == ticks.len()
            && watch.done.iter().all(|run| run.attempt == 1),
        format_args!("{:?}", watch.started),
    );
    report.check(
        "Each run has a higher fence than the one before",
        watch
            .done
            .windows(2)
            .all(|pair| pair[0].fence < pair[1].fence),
        format_args!("{:?}", watch.done),
    );
}

fn takeover(
    watch: &mut Watch,
    victim: &Run,
    killed: Instant,
    report: &mut Report,
) -> Result<(), String> {
    let heir = watch.next_started(|run| run.replica != victim.replica)?;
    let took = heir.at.duration_since(killed);
    report.say(format_args!(
        "tick {} taken over by {} after {} ms: fence {} -> {}, attempt {} -> {}",
        heir.tick,
        heir.replica,
        took.as_millis(),
        victim.fence,
        heir.fence,
        victim.attempt,
        heir.attempt
    ));
    report.check(
        "The tick of the dead replica is run by another one before any later tick",
        heir.tick == victim.tick,
        format_args!("tick {} after tick {}", heir.tick, victim.tick),
    );
    report.check(
        "It has a higher fence, and attempt 2",
        heir.fence > victim.fence && heir.attempt == 2,
        format_args!("{victim:?} then {heir:?}"),
    );
    report.check(
        "The dead keep their tick no longer than their lease, and a margin",
        took < TAKEOVER_LIMIT,
        format_args!("after {} ms", took.as_millis()),
    );
    watch.until(|watch| watch.done.iter().any(|run| run.tick == victim.tick))?;
    report.check(
        "It was finished once, and not by the dead",
        watch
            .done
            .iter()
            .filter(|run| run.tick == victim.tick)
            .all(|run| run.replica == heir.replica && run.fence == heir.fence),
        format_args!("{:?}", watch.done),
    );
    Ok(())
}

fn life_goes_on(watch: &Watch, victim: &Run, report: &mut Report) {
    let after: Vec<_> = watch
        .done
        .iter()
        .filter(|run| run.tick > victim.tick)
        .collect();
    report.say(ran_on("later ticks", after.iter().copied()));
    for run in &after {
        report.detail(run);
    }
    let ticks: Vec<_> = watch.done.iter().map(|run| run.tick).collect();
    let interval = INTERVAL.as_millis() as u64;
    report.check(
        "The two that are left run each later tick once, in order",
        after.len() >= 2
            && after.iter().all(|run| run.replica != victim.replica)
            && ticks.windows(2).all(|pair| pair[1] == pair[0] + interval),
        format_args!("{ticks:?}"),
    );
}

fn close(replicas: BTreeMap<String, Process>, report: &mut Report) -> Result<(), String> {
    for (name, process) in replicas {
        let (status, _) = process.stop()?;
        report.check(
            &format!("{name} stops when it is told to, in good order"),
            status.success(),
            status,
        );
    }
    Ok(())
}

/// Which replica ran which of the ticks, in their order.
fn ran_on<'a>(what: &str, runs: impl Iterator<Item = &'a Run>) -> String {
    let replicas: Vec<&str> = runs.map(|run| run.replica.as_str()).collect();
    format!("{} {what} ran on {}", replicas.len(), replicas.join(", "))
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "tick {} ran on {}, fence {}, attempt {}",
            self.tick, self.replica, self.fence, self.attempt
        )
    }
}

// ===== impl Folder =====

impl Folder {
    /// A name only: the first replica to use the folder makes it, private. It is in the target
    /// folder, where what a killed demo leaves behind disturbs no one.
    fn beside(executable: &Path) -> Self {
        Self(executable.with_file_name(format!("demo-locks-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Absent where Redis was used.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

// ===== impl Watch =====

impl Watch {
    /// Listens until this many runs were reported as done.
    fn until_done(&mut self, runs: usize) -> Result<(), String> {
        self.until(|watch| watch.done.len() >= runs)
    }

    /// Listens until something has started that was not known before and is looked for.
    fn next_started(&mut self, wanted: impl Fn(&Run) -> bool) -> Result<Run, String> {
        let known = self.started.len();
        let new = |watch: &Self| {
            watch.started[known..]
                .iter()
                .find(|run| wanted(run))
                .cloned()
        };
        self.until(|watch| new(watch).is_some())?;
        new(self).ok_or_else(|| "nothing was started".to_owned())
    }

    fn until(&mut self, enough: impl Fn(&Self) -> bool) -> Result<(), String> {
        while !enough(self) {
            let event = next(&self.events, Instant::now() + PATIENCE)
                .map_err(|reason| format!("the scheduler's replicas: {reason}"))?;
            self.hear(&event);
        }
        Ok(())
    }

    fn hear(&mut self, event: &Event) {
        let number = |name: &str| event.json[name].as_u64().unwrap_or_default();
        let run = Run {
            replica: event.from.clone(),
            tick: number("tick"),
            fence: number("fence"),
            attempt: number("attempt"),
            at: event.at,
        };
        match event.json.get("event").and_then(Value::as_str) {
            _ if run.tick < self.since => {}
            Some("started") => self.started.push(run),
            Some("ran" | "took-over") => self.done.push(run),
            // The others say that they had nothing to do.
            _ => {}
        }
    }
}
