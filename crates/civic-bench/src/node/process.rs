//! A peer in a process of its own, which speaks JSON lines, and whose processor time is read.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Linux counts processor time of other processes in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

pub(super) struct Peer {
    child: Child,
    commands: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    pub(super) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the peer starts");
        let commands = child.stdin.take().expect("stdin is a pipe");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        Self {
            child,
            commands,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// Returns the next event of this name.
    pub(super) async fn event(&mut self, name: &str) -> Value {
        loop {
            let line = self.next().await;
            if line["event"] == name {
                return line;
            }
        }
    }

    /// Sends a command, and returns its answer.
    pub(super) async fn ask(&mut self, mut command: Value) -> Value {
        command["id"] = Value::from(1);
        let line = format!("{command}\n");
        self.commands
            .write_all(line.as_bytes())
            .await
            .expect("the peer reads its commands");
        loop {
            let line = self.next().await;
            if line["id"] == 1 {
                return line;
            }
        }
    }

    async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.expect("stdout can be read");
        let line = line.expect("the peer is running");
        serde_json::from_str(&line).expect("a line is JSON")
    }

    /// Returns the processor time that the process has used so far.
    pub(super) fn cpu(&self) -> Duration {
        let pid = self.child.id().expect("the peer is running");
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the peer is running");
        ticks(&stat).expect("the kernel's format") * TICK
    }
}

/// Reads user and system time from the line of a process. Its name, in parentheses, may contain
/// anything.
fn ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn the_times_of_a_process_are_found_whatever_its_name() {
        let stat = "7 (a) 1) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 0 0 20 0 1 0 5 100";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("nothing"), None);
    }
}
