//! A process of a run: this program in one of its roles. It is never left behind.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use civic_testkit::process;
use rustix::process::{Pid, Signal};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a process may need for what it is waited for, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a process is started with.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) role: &'static str,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// The file of its stderr.
    pub(super) log: PathBuf,
}

/// A running process. Killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Kept open: its end is what stops the process when this one is gone.
    _stdin: Option<ChildStdin>,
    lines: mpsc::UnboundedReceiver<Value>,
    role: &'static str,
}

// ===== impl Recipe =====

impl Recipe {
    pub(super) fn new(role: &'static str, folder: &Path, name: &str) -> Self {
        Self {
            role,
            arguments: Vec::new(),
            environment: Vec::new(),
            log: folder.join(format!("{name}.log")),
        }
    }

    /// Adds an argument.
    pub(super) fn with(mut self, argument: &dyn Display) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    pub(super) fn with_environment(mut self, environment: &[(String, String)]) -> Self {
        self.environment.extend_from_slice(environment);
        self
    }

    /// Starts a process.
    pub(super) fn start(&self) -> io::Result<Process> {
        let stderr = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--stop-with-stdin")
            .arg(self.role)
            .args(&self.arguments)
            .env_remove("REDIS_URL")
            .env_remove("CIVIC_LOCK_DIR")
            .env_remove("CIVIC_LOCK_NAMESPACE")
            .env_remove("CIVIC_LOCK_STORE")
            .env_remove("NODE_ENV")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // Ctrl-C is for the driver, which then ends its processes.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        let (tell, lines) = mpsc::unbounded_channel();
        if let Some(stdout) = stdout {
            tokio::spawn(async move {
                let mut stdout = BufReader::new(stdout).lines();
                while let Ok(Some(line)) = stdout.next_line().await {
                    // The last line of a killed process may be cut.
                    if let Ok(line) = serde_json::from_str(&line) {
                        let _ = tell.send(line);
                    }
                }
            });
        }
        Ok(Process {
            child,
            _stdin: stdin,
            lines,
            role: self.role,
        })
    }
}

// ===== impl Process =====

impl Process {
    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Sends a signal, unless the process is gone.
    pub(super) fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = process::signal(pid, signal);
        }
    }

    /// Kills it, and waits until it is gone.
    pub(super) async fn kill(&mut self) -> io::Result<()> {
        self.signal(Signal::KILL);
        self.child.wait().await?;
        Ok(())
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Whether it has ended, and everything that it has printed was read.
    pub(super) fn is_silent(&self) -> bool {
        self.lines.is_closed() && self.lines.is_empty()
    }

    /// Waits for all that it has to say until it ends.
    pub(super) async fn rest(&mut self) -> Vec<Value> {
        let mut lines = Vec::new();
        while let Some(line) = self.lines.recv().await {
            lines.push(line);
        }
        lines
    }

    /// Returns the next line that it has printed already, if there is one.
    pub(super) fn heard(&mut self) -> Option<Value> {
        self.lines.try_recv().ok()
    }

    /// Waits for the line of this event.
    pub(super) async fn event(&mut self, event: &str) -> io::Result<Value> {
        let role = self.role;
        let lines = &mut self.lines;
        let reading = async {
            loop {
                match lines.recv().await {
                    Some(line) if line["event"] == event => return Ok(line),
                    Some(_) => {}
                    None => {
                        return Err(io::Error::other(format!("{role} ended before {event:?}")));
                    }
                }
            }
        };
        match timeout(PATIENCE, reading).await {
            Ok(line) => line,
            Err(_) => Err(io::Error::other(format!("{role} never said {event:?}"))),
        }
    }

    /// Waits until it ends by itself, at most this long, and returns the lines that it has printed.
    pub(super) async fn ended(mut self, within: Duration) -> io::Result<Vec<Value>> {
        let role = self.role;
        let ending = async {
            let lines = self.rest().await;
            self.child.wait().await.map(|status| (status, lines))
        };
        match timeout(within, ending).await {
            Ok(Ok((status, lines))) if status.success() => Ok(lines),
            Ok(Ok((status, _))) => Err(io::Error::other(format!("{role} ended with {status}"))),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other(format!("{role} does not end"))),
        }
    }
}
