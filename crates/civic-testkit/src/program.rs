//! A program under test that prints one JSON object per line.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// No line that a test waits for takes this long.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running program, killed when it is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts the program.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        Self {
            child,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// Returns the next line, or `None` if the program has closed its stdout.
    ///
    /// # Panics
    ///
    /// Panics if the line is not JSON, or after a minute without a line.
    pub async fn next(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(TIMEOUT, self.lines.next_line())
            .await
            .expect("a line within a minute")
            .expect("stdout can be read")?;
        Some(serde_json::from_str(&line).expect("one JSON object per line"))
    }

    /// Returns the next line whose `event` is `event`, and skips the lines before it.
    ///
    /// # Panics
    ///
    /// Panics as [`next`](Self::next) does, and if the program ends first.
    pub async fn until(&mut self, event: &str) -> Value {
        loop {
            let line = self.next().await;
            let line = line.unwrap_or_else(|| panic!("the program ended without {event}"));
            if line["event"] == event {
                return line;
            }
        }
    }

    /// Kills the program, which gets no chance to clean up, and waits for its end.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be killed.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("the program is killed");
    }

    /// Sends SIGTERM, waits for the end, and returns the lines that were not read yet.
    ///
    /// # Panics
    ///
    /// Panics as [`next`](Self::next) does, and if the exit code is not 0.
    pub async fn terminate(mut self) -> Vec<Value> {
        let pid = self
            .child
            .id()
            .and_then(|pid| Pid::from_raw(pid.cast_signed()))
            .expect("the program is running");
        kill_process(pid, Signal::TERM).expect("the program gets a signal");
        let mut rest = Vec::new();
        while let Some(line) = self.next().await {
            rest.push(line);
        }
        let status = self.child.wait().await.expect("the program ends");
        assert!(status.success(), "{status}");
        rest
    }
}
