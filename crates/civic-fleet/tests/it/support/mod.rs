//! The real binary on real sockets, and a caller that knows nothing of the crates under test.

pub(crate) mod http;
pub(crate) mod token;

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// The key of every service in these tests.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// How long a test waits for what must happen; a process that hangs fails the test, not the run.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running service, killed on drop.
#[derive(Debug)]
pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    stderr: Receiver<String>,
    /// Where it keeps its keys and locks, if not in Redis.
    _locks: TempDir,
}

/// What a program that ran to its end left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command of the fleet with an environment of its own.
pub(crate) fn fleet(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_civic-fleet"));
    command
        .args(arguments)
        .env_clear()
        .env("JWT_SECRET", SECRET)
        // No load balancer has to notice that a service stops.
        .env("CIVIC_DRAIN_DELAY_MS", "0")
        .stdin(Stdio::null());
    command
}

/// The command of `billing`, with its peer at `peer`.
pub(crate) fn billing(peer: &str) -> Command {
    let mut command = fleet(&["billing"]);
    command.env("ASSESSMENT_ROLL_URL", peer);
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Finished {
    let output = command.output().unwrap();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

// ===== impl Service =====

impl Service {
    /// Starts a service on a free port and waits until it listens.
    pub(crate) fn start(name: &str) -> Self {
        Self::spawn(fleet(&[name]))
    }

    /// `billing`, with its peer at `peer`.
    pub(crate) fn billing(peer: &str) -> Self {
        Self::spawn(billing(peer))
    }

    /// Starts a service from a command that may have been changed.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let locks = tempfile::tempdir().unwrap();
        let mut child = command
            .env("PORT", "0")
            .env("CIVIC_LOCK_DIR", locks.path().join("locks"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        let Ok(line) = stdout.recv_timeout(TIMEOUT) else {
            let log: Vec<_> = stderr.try_iter().collect();
            panic!("the service does not listen: {log:#?}");
        };
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["event"], "listening");
        let port = u16::try_from(event["port"].as_u64().unwrap()).unwrap();
        Self {
            child,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            stderr,
            _locks: locks,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Gives up the child's stdin, if it has one.
    pub(crate) fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Waits until a line of the log holds `text`.
    pub(crate) fn wait_for_log(&self, text: &str) {
        loop {
            let line = self
                .stderr
                .recv_timeout(TIMEOUT)
                .unwrap_or_else(|_| panic!("no log line holds {text:?}"));
            if line.contains(text) {
                return;
            }
        }
    }

    /// Waits for its end; what it logged since the last look.
    pub(crate) fn wait(&mut self) -> (ExitStatus, String) {
        // The log ends when the process does.
        let mut log = String::new();
        loop {
            match self.stderr.recv_timeout(TIMEOUT) {
                Ok(line) => log.push_str(&format!("{line}\n")),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the service does not end:\n{log}"),
            }
        }
        (self.child.wait().unwrap(), log)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            // A test that has stopped listening must not block the service on a full pipe.
            let _ = sender.send(line);
        }
    });
    receiver
}
