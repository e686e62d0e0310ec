//! The processes of the fleet: started on free ports, heard, and never left behind.
//!
//! How none is left, without signal handlers (which would need unsafe code or a dependency here):
//!
//! 1. Each child runs with `--stop-with-stdin` and its stdin is a pipe that only this process
//!    holds. When this process ends, in whatever way, the kernel closes the pipe and the child
//!    stops as at SIGTERM. `kill -9` of the demo is covered.
//! 2. Ctrl-C reaches the children directly as well: they are in the terminal's foreground process
//!    group.
//! 3. In the ordinary case, and when a check fails early, the guard closes the pipe, waits, and
//!    kills by process id what did not end.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::PATIENCE;
use crate::programs::Programs;

/// How long an orderly stop may take before the process is killed.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Variables of the caller that a child needs to find its way about a machine. Nothing else is
/// passed on, so that the demo is the same everywhere.
const PASSED_ON: [&str; 6] = [
    "HOME",
    "PATH",
    "TMPDIR",
    "TZ",
    "XDG_RUNTIME_DIR",
    "SystemRoot",
];

/// How to start the programs: which, and with which environment.
#[derive(Clone, Debug)]
pub(super) struct Fleet {
    programs: Programs,
    environment: HashMap<String, String>,
}

/// A running child. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Child,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// A line of JSON that a child printed on its stdout.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) from: String,
    pub(super) at: Instant,
    pub(super) json: Value,
}

/// What a program that ran to its end left behind.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

// ===== impl Fleet =====

impl Fleet {
    pub(super) fn new(programs: Programs) -> Self {
        Self {
            programs,
            environment: HashMap::new(),
        }
    }

    pub(super) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The same fleet with one more variable.
    pub(super) fn with(&self, name: &str, value: impl Into<String>) -> Self {
        let mut fleet = self.clone();
        fleet.environment.insert(name.to_owned(), value.into());
        fleet
    }

    /// Starts a service or a replica, which runs until it is stopped; what it prints is sent to
    /// `events` under `name`.
    pub(super) fn start(
        &self,
        name: &str,
        arguments: &[&str],
        events: Sender<Event>,
    ) -> Result<Process, String> {
        let mut child = self
            .command(&self.programs.fleet, arguments)
            .arg("--stop-with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name} could not be started: {error}"))?;
        let log = Arc::new(Mutex::new(String::new()));
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let from = name.to_owned();
            readers.push(thread::spawn(move || forward(&from, stdout, &events)));
        }
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            readers.push(thread::spawn(move || keep(stderr, &log)));
        }
        Ok(Process {
            name: name.to_owned(),
            child,
            log,
            readers,
        })
    }

    /// Starts a service on a free port and waits until it listens.
    pub(super) fn serve(&self, name: &str) -> Result<(Process, SocketAddr), String> {
        let (sender, events) = channel();
        let process = self.with("PORT", "0").start(name, &[name], sender)?;
        let event = next(&events, Instant::now() + PATIENCE)
            .map_err(|reason| format!("{name} does not listen: {reason}\n{}", process.log()))?;
        let port = event.json["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
            .filter(|_| event.json["event"] == "listening")
            .ok_or_else(|| format!("{name} printed {} and no port", event.json))?;
        Ok((process, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
    }

    /// Runs the operator's tool, with the same environment, to its end.
    pub(super) fn civic(&self, arguments: &[&str]) -> Result<Finished, String> {
        let output = self
            .command(&self.programs.civic, arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("civic {} could not be started: {error}", arguments[0]))?;
        Ok(Finished {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        // No load balancer has to notice that a service stops.
        command.env("CIVIC_DRAIN_DELAY_MS", "0");
        command.envs(&self.environment);
        command
    }
}

// ===== impl Process =====

impl Process {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote on stderr so far.
    pub(super) fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// `kill -9`: the process gets no chance to say goodbye.
    pub(super) fn kill_dash_nine(&mut self) -> Result<(), String> {
        let gone = self.child.kill().and_then(|()| self.child.wait());
        gone.map(drop)
            .map_err(|error| format!("{} could not be killed: {error}", self.name))
    }

    /// Asks it to stop and waits until it has; its exit status and its whole log.
    pub(super) fn stop(mut self) -> Result<(ExitStatus, String), String> {
        let status = self
            .end()
            .map_err(|error| format!("{} could not be stopped: {error}", self.name))?;
        // The pipes are closed now, so the readers come to their end.
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        Ok((status, self.log()))
    }

    fn end(&mut self) -> io::Result<ExitStatus> {
        drop(self.child.stdin.take());
        let limit = Instant::now() + STOP_LIMIT;
        while Instant::now() < limit {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!(
                "{} (process {}) may be left: {error}",
                self.name,
                self.child.id()
            );
        }
    }
}

/// The next event before `deadline`.
pub(super) fn next(events: &Receiver<Event>, deadline: Instant) -> Result<Event, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    events.recv_timeout(left).map_err(|error| match error {
        RecvTimeoutError::Timeout => "nothing was heard in time".to_owned(),
        RecvTimeoutError::Disconnected => "it ended".to_owned(),
    })
}

fn forward(from: &str, stdout: impl Read, events: &Sender<Event>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let event = Event {
            from: from.to_owned(),
            at: Instant::now(),
            json: serde_json::from_str(&line).unwrap_or(Value::String(line)),
        };
        if events.send(event).is_err() {
            // No one listens any more; reading on keeps the child from blocking on a full pipe.
            continue;
        }
    }
}

fn keep(stderr: impl Read, log: &Mutex<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}
