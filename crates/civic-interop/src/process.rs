//! A child process: JSON lines in and out, stopped by its id, and never left behind.
//!
//! How none is left, whatever ends the driver:
//!
//! 1. Each child's stdin is a pipe that only the driver holds, and each child ends when its stdin
//!    does: `lines.mjs` sees to it in the Node peers, `--stop-with-stdin` in the fleet. The kernel
//!    closes the pipe, also at `kill -9`.
//! 2. A `Process` that is dropped is killed by its id.

use std::collections::HashMap;
use std::fmt;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a program may take to start, or to answer a command, on a machine that is busy with
/// others.
const TIMEOUT: Duration = Duration::from_secs(90);
/// How many lines of a log are shown with an error.
const SHOWN: usize = 20;

/// A running child. Killed when dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    events: mpsc::UnboundedReceiver<Value>,
    answers: Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>,
    next_id: u64,
    history: Arc<Mutex<History>>,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// What the events of a process come to.
#[derive(Debug, Default)]
struct History {
    counts: HashMap<String, u64>,
    last: Value,
}

/// Where the lines of a process go.
struct Router {
    answers: Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>,
    history: Arc<Mutex<History>>,
    events: mpsc::UnboundedSender<Value>,
    copies: Option<mpsc::UnboundedSender<Value>>,
}

// ===== impl Process =====

impl Process {
    /// Starts a program; a copy of each of its events goes to `copies`.
    pub(crate) fn start(
        name: &str,
        mut command: Command,
        copies: Option<mpsc::UnboundedSender<Value>>,
    ) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{name} could not be started: {error}"))?;
        let log = Arc::<Mutex<String>>::default();
        let answers = Arc::<Mutex<HashMap<u64, oneshot::Sender<Value>>>>::default();
        let history = Arc::<Mutex<History>>::default();
        let (sender, events) = mpsc::unbounded_channel();
        let router = Router {
            answers: Arc::clone(&answers),
            history: Arc::clone(&history),
            events: sender,
            copies,
        };
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(tokio::spawn(async move {
                each_line(stdout, |line| router.route(line)).await;
                // No answer can come any more: those who wait for one are told.
                lock(&router.answers).clear();
            }));
        }
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            readers.push(tokio::spawn(each_line(stderr, move |line| {
                let mut log = lock(&log);
                log.push_str(&line);
                log.push('\n');
            })));
        }
        Ok(Self {
            name: name.to_owned(),
            stdin: child.stdin.take(),
            child,
            events,
            answers,
            next_id: 1,
            history,
            log,
            readers,
        })
    }

    /// The next event of this name; other events before it are passed over.
    pub(crate) async fn event(&mut self, name: &str) -> Result<Value, String> {
        let wanted = async {
            while let Some(event) = self.events.recv().await {
                if event["event"] == name {
                    return Some(event);
                }
            }
            None
        };
        match timeout(TIMEOUT, wanted).await {
            Ok(Some(event)) => Ok(event),
            Ok(None) => Err(self.complaint(&format!("ended before its event `{name}`"))),
            Err(_) => Err(self.complaint(&format!("had no event `{name}` within {TIMEOUT:?}"))),
        }
    }

    /// How many events of this name it had so far.
    pub(crate) fn seen(&self, name: &str) -> u64 {
        lock(&self.history).counts.get(name).copied().unwrap_or(0)
    }

    /// Its last event so far.
    pub(crate) fn last_event(&self) -> Value {
        lock(&self.history).last.clone()
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn ask(&mut self, command: &str, members: Value) -> Result<Value, String> {
        let id = self.next_id;
        self.next_id += 1;
        let mut line = json!({ "id": id, "cmd": command });
        if let (Some(line), Value::Object(members)) = (line.as_object_mut(), members) {
            line.extend(members);
        }
        let (sender, answer) = oneshot::channel();
        lock(&self.answers).insert(id, sender);
        let stdin = self.stdin.as_mut().ok_or("the process is being stopped")?;
        let sent = stdin.write_all(format!("{line}\n").as_bytes()).await;
        if let Err(error) = sent {
            return Err(self.complaint(&format!("takes no commands: {error}")));
        }
        match timeout(TIMEOUT, answer).await {
            Ok(Ok(answer)) => match answer["error"].as_str() {
                Some(error) => Err(format!("{}: {command}: {error}", self.name)),
                None => Ok(answer),
            },
            Ok(Err(_)) => Err(self.complaint(&format!("ended before it answered `{command}`"))),
            Err(_) => Err(self.complaint(&format!("did not answer `{command}`"))),
        }
    }

    /// Tells the process to end, with SIGTERM.
    pub(crate) fn terminate(&self) -> Result<(), String> {
        let pid = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
            .ok_or_else(|| format!("{} has ended already", self.name))?;
        kill_process(pid, Signal::TERM).map_err(|error| format!("{}: {error}", self.name))
    }

    /// Waits until the process has ended by itself and every line of it was read.
    pub(crate) async fn ended(&mut self, limit: Duration) -> Result<ExitStatus, String> {
        let status = match timeout(limit, self.child.wait()).await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => return Err(format!("{}: {error}", self.name)),
            Err(_) => return Err(self.complaint(&format!("did not end within {limit:?}"))),
        };
        for reader in self.readers.drain(..) {
            let _ = reader.await;
        }
        Ok(status)
    }

    /// Closes its stdin, at which it ends, and waits for that; kills it when it does not.
    pub(crate) async fn stop(mut self) {
        drop(self.stdin.take());
        if timeout(Duration::from_secs(5), self.child.wait())
            .await
            .is_err()
        {
            let _ = self.child.kill().await;
        }
    }

    /// What it did not do, with the end of its log.
    fn complaint(&self, what: &str) -> String {
        let log = lock(&self.log);
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
        format!("{} {what}\n{end}", self.name)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("id", &self.child.id())
            .finish_non_exhaustive()
    }
}

// ===== impl Router =====

impl Router {
    fn route(&self, line: String) {
        let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
        if let Some(id) = value["id"].as_u64() {
            if let Some(answer) = lock(&self.answers).remove(&id) {
                // The one who asked may have given up.
                let _ = answer.send(value);
            }
            return;
        }
        let mut history = lock(&self.history);
        let name = value["event"].as_str().unwrap_or_default().to_owned();
        *history.counts.entry(name).or_default() += 1;
        history.last = value.clone();
        drop(history);
        // Whether someone waits for an event is not the reader's business.
        if let Some(copies) = &self.copies {
            let _ = copies.send(value.clone());
        }
        let _ = self.events.send(value);
    }
}

/// Runs a program to its end.
pub(crate) async fn output(name: &str, command: &mut Command) -> Result<Output, String> {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    timeout(TIMEOUT, running)
        .await
        .map_err(|_| format!("{name} did not end within {TIMEOUT:?}"))?
        .map_err(|error| format!("{name} could not be started: {error}"))
}

async fn each_line(from: impl AsyncRead + Unpin, mut see: impl FnMut(String)) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        see(line);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
