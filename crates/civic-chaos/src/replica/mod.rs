//! A replica: a process of `civic` or `civic-fleet`. Its stdout is recorded, and it is never left
//! behind.
//!
//! Its stdin is a pipe of which only this process has the other end, so that it stops when this
//! process is gone, for whatever reason.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::history::{Acquire, Edge, Signal, TickEvent, Version, What, monotonic};
use crate::log::Log;
use crate::recipe::Recipe;

/// There are thousands of busy answers: only those that took longer than this are recorded.
const SLOW_MS: u64 = 100;
/// What a replica says when it finds another schedule of its job.
const OTHER_SCHEDULE: &str = "also has the schedule";
/// What a replica says when it finds a server that may evict keys.
const UNSAFE_SERVER: &str = "locks are not safe on this Redis";
/// So many time zones are whole hours away from UTC.
const HOURS: i64 = 24;
/// How long an orderly stop may take. Both programs end themselves after 12 s.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A replica that has just begun to hold its lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Began {
    pub(crate) group: usize,
    pub(crate) life: u32,
    /// The tick that it does, if the lock is that of a job.
    pub(crate) tick: Option<u64>,
}

/// A deployment, which all replicas of it share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deployment {
    pub(crate) number: u32,
    /// The interval of the schedule, if the schedule is what changes.
    pub(crate) interval_ms: u64,
    pub(crate) version: Version,
}

// ===== impl Deployment =====

impl Deployment {
    /// Returns the expression of the schedule, and its time zone. Each deployment has its own zone,
    /// as the store remembers for a while which schedules there were; the instants are those of the
    /// interval in every zone.
    fn schedule(self) -> (String, String) {
        let seconds = self.interval_ms / 1000;
        match self.number {
            0 => (format!("@every {seconds}s"), "UTC".to_owned()),
            number => {
                let hours = i64::from(number) % HOURS - HOURS / 2;
                let minutes = i64::from(number) / HOURS % 60;
                let sign = if hours < 0 { '-' } else { '+' };
                let zone = format!("{sign}{:02}:{minutes:02}", hours.abs());
                (format!("*/{seconds} * * * * *"), zone)
            }
        }
    }
}

/// A running replica.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) life: u32,
    child: Child,
    reader: JoinHandle<()>,
    /// Kept open: its end is what stops the replica when this process is gone.
    _stdin: Option<tokio::process::ChildStdin>,
    log: Log,
    events: Option<PathBuf>,
    log_file: PathBuf,
    /// How long the file was when it started.
    logged: u64,
    files_at_start: Option<u64>,
}

impl Replica {
    pub(crate) fn start(
        recipe: &Recipe,
        life: u32,
        skew_ms: i64,
        deployment: Deployment,
        log: &Log,
        began: broadcast::Sender<Began>,
    ) -> io::Result<Self> {
        let stderr = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&recipe.log_file)?;
        let logged = stderr.metadata()?.len();
        let events = recipe
            .events
            .as_ref()
            .map(|path| path.with_extension(format!("{life}.jsonl")));
        let executable = match (deployment.version, &recipe.last) {
            (Version::Last, Some(last)) => last,
            _ => &recipe.executable,
        };
        let (expression, zone) = deployment.schedule();
        let mut command = Command::new(executable);
        command
            .arg("--stop-with-stdin")
            .args(&recipe.arguments)
            .env_clear()
            .envs(recipe.environment.iter().cloned())
            .env("REPLICA", format!("{}.{life}", recipe.name))
            .env("CIVIC_CLOCK_SKEW_MS", skew_ms.to_string())
            .env("CIVIC_SCHEDULE", expression)
            .env("CIVIC_TIMEZONE", zone)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // Ctrl-C is for the driver, which then stops its replicas.
            .process_group(0)
            .kill_on_drop(true);
        if let Some(events) = &events {
            command
                .args(["--who", &format!("{}.{life}", recipe.name), "--events"])
                .arg(events);
        }
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no stdout"))?;
        log.now(What::Start {
            life,
            replica: recipe.name.clone(),
            group: recipe.group,
            pid: child.id().unwrap_or_default(),
            skew_ms,
            deployment: deployment.number,
            interval_ms: deployment.interval_ms,
            version: deployment.version,
        });
        let reader = tokio::spawn(hear(stdout, life, recipe.group, log.clone(), began));
        Ok(Self {
            life,
            child,
            reader,
            _stdin: stdin,
            log: log.clone(),
            events,
            log_file: recipe.log_file.clone(),
            logged,
            files_at_start: None,
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let Some(pid) = self
            .child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw)
        else {
            return;
        };
        let (number, life) = (number(signal), self.life);
        // A process is stopped, or killed, after the record of it; it goes on before the record.
        if signal == Signal::Cont {
            let _ = kill_process(pid, number);
            self.log.now(What::Signal { life, signal });
        } else {
            self.log.now(What::Signal { life, signal });
            let _ = kill_process(pid, number);
        }
    }

    /// Waits until the process is gone, and kills it if it does not stop in time.
    pub(crate) async fn gone(mut self) -> io::Result<ExitStatus> {
        let in_time = tokio::time::timeout(STOP_LIMIT, self.child.wait()).await;
        let forced = in_time.is_err();
        let status = match in_time {
            Ok(status) => status?,
            Err(_) => {
                self.child.start_kill()?;
                self.child.wait().await?
            }
        };
        let life = self.life;
        self.log.now(What::Exit { life, forced });
        let count = |words| count_lines(&self.log_file, self.logged, words);
        self.log.now(What::Logged {
            life,
            other_schedules: count(OTHER_SCHEDULE)?,
            unsafe_servers: count(UNSAFE_SERVER)?,
        });
        // The pipe is closed: the rest of it is read to its end.
        let _ = (&mut self.reader).await;
        if let Some(events) = &self.events {
            read_holds(events, life, &self.log)?;
        }
        Ok(status)
    }

    /// Notes the resources that the replica uses before the faults.
    pub(crate) fn note_resources(&mut self) {
        self.files_at_start = self.open_files();
    }

    /// Records the resources that it uses now.
    pub(crate) fn compare_resources(&self) {
        if let (Some(files_at_start), Some(files_at_end)) = (self.files_at_start, self.open_files())
        {
            self.log.now(What::Resources {
                life: self.life,
                files_at_start,
                files_at_end,
            });
        }
    }

    /// Counts its open files. Returns none on a system without `/proc`.
    fn open_files(&self) -> Option<u64> {
        let folder = format!("/proc/{}/fd", self.child.id()?);
        Some(std::fs::read_dir(folder).ok()?.count() as u64)
    }
}

fn number(signal: Signal) -> rustix::process::Signal {
    match signal {
        Signal::Kill => rustix::process::Signal::KILL,
        Signal::Term => rustix::process::Signal::TERM,
        Signal::Stop => rustix::process::Signal::STOP,
        Signal::Cont => rustix::process::Signal::CONT,
    }
}

async fn hear(
    stdout: ChildStdout,
    life: u32,
    group: usize,
    log: Log,
    began: broadcast::Sender<Began>,
) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(line) = serde_json::from_str(&line) else {
            // The last line of a killed process may be cut.
            continue;
        };
        let Some(what) = understand(&line, life) else {
            continue;
        };
        let tick = match what {
            What::Tick {
                event: TickEvent::Started,
                tick,
                ..
            } => Some(Some(tick)),
            What::Acquire {
                outcome: Acquire::Acquired,
                ..
            }
            | What::Hold {
                edge: Edge::Enter, ..
            } => Some(None),
            _ => None,
        };
        if let Some(tick) = tick {
            // Perhaps no fault waits for a holder.
            let _ = began.send(Began { group, life, tick });
        }
        let at = line["monoNs"].as_u64().unwrap_or_else(monotonic);
        for what in each_tick(what, &line) {
            log.at(at, what);
        }
    }
}

/// Parses a line of `civic-fleet penalty-scheduler` or `civic lock hold`.
fn understand(line: &Value, life: u32) -> Option<What> {
    let number = |name: &str| line[name].as_u64().unwrap_or_default();
    let took_ms = number("tookMs");
    let acquire = |outcome| {
        (outcome != Acquire::Busy || took_ms >= SLOW_MS).then_some(What::Acquire {
            life,
            outcome,
            took_ms,
        })
    };
    let event = line["event"].as_str()?;
    if line.get("key").is_some() {
        return match event {
            "acquired" => acquire(Acquire::Acquired),
            "busy" => acquire(Acquire::Busy),
            "unavailable" => acquire(Acquire::Unavailable),
            "lost" => Some(What::Told {
                life,
                fence: number("fence"),
            }),
            _ => None,
        };
    }
    let fence = number("fence");
    match event {
        "elected" => {
            let edge = Edge::Enter;
            return Some(What::Hold { life, edge, fence });
        }
        "resigning" => {
            let edge = Edge::Leave;
            return Some(What::Hold { life, edge, fence });
        }
        "deposed" => return Some(What::Told { life, fence }),
        _ => {}
    }
    if event == "crowd" {
        return Some(What::Crowd {
            life,
            answered: number("answered"),
            unavailable: number("unavailable"),
            memory_kb: number("memoryKb"),
        });
    }
    Some(What::Tick {
        life,
        event: serde_json::from_value(line["event"].clone()).ok()?,
        tick: number("tick"),
        fence: number("fence"),
        attempt: number("attempt") as u32,
    })
}

/// Makes one event per tick of an event that is about several.
fn each_tick(what: What, line: &Value) -> Vec<What> {
    let number = |name: &str| line[name].as_u64().unwrap_or_default();
    let (first, last, count) = (number("tick"), number("until"), number("count"));
    let What::Tick { life, event, .. } = what else {
        return vec![what];
    };
    if count < 2 || last < first {
        return vec![what];
    }
    // The schedules of this driver are intervals.
    let interval = (last - first) / (count - 1);
    let tick = |n| What::Tick {
        life,
        event,
        tick: first + n * interval,
        fence: 0,
        attempt: 0,
    };
    (0..count).map(tick).collect()
}

/// Counts the lines with these words from this position of the file on.
fn count_lines(path: &Path, from: u64, words: &str) -> io::Result<u64> {
    let mut file = File::open(path)?;
    file.seek(io::SeekFrom::Start(from))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter(|line| line.contains(words)).count() as u64)
}

/// Reads when a hammer has entered and left.
fn read_holds(events: &Path, life: u32, log: &Log) -> io::Result<()> {
    let Ok(file) = File::open(events) else {
        // It was killed before it had the lock.
        return Ok(());
    };
    let stream = serde_json::Deserializer::from_reader(io::BufReader::new(file));
    // The last line of a killed process may be cut.
    for line in stream.into_iter::<Value>().map_while(Result::ok) {
        let edge = match line["ev"].as_str() {
            Some("enter") => Edge::Enter,
            Some("leave") => Edge::Leave,
            _ => continue,
        };
        let (Some(at), Some(fence)) = (line["monoNs"].as_u64(), line["fence"].as_u64()) else {
            return Err(io::Error::other(format!(
                "{} has a line without monoNs or fence",
                events.display()
            )));
        };
        log.at(at, What::Hold { life, edge, fence });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
