//! One connection to the server: a `psql` that reads statements from a pipe.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Ends what a statement has printed.
const END: &str = "civic-end";

/// One connection. Dropped, it is cut off: the server rolls back what is not committed.
#[derive(Debug)]
pub(super) struct Session {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// What a statement has come to.
#[derive(Debug)]
pub(super) struct Reply {
    /// The rows that it returns, without headers, columns separated by `|`.
    pub(super) rows: Vec<String>,
    /// How many rows it has returned or changed.
    pub(super) count: u64,
}

impl Session {
    pub(super) fn start(mut psql: Command) -> Result<Self, String> {
        let mut child = psql
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| format!("psql cannot be started: {error}"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("psql has no pipes".into());
        };
        Ok(Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
        })
    }

    /// Sends text, and does not wait for what comes of it.
    pub(super) fn send(&mut self, text: &str) -> Result<(), String> {
        self.stdin
            .write_all(text.as_bytes())
            .and_then(|()| self.stdin.flush())
            .map_err(|error| format!("psql has ended: {error}"))
    }

    /// Runs statements and waits for the last one. `psql` ends at the first error, and prints it.
    pub(super) fn run(&mut self, statements: &str) -> Result<Reply, String> {
        self.send(&format!("{statements}\n\\echo {END} :ROW_COUNT\n"))?;
        let mut rows = Vec::new();
        loop {
            let mut line = String::new();
            match self.stdout.read_line(&mut line) {
                Ok(0) => return Err(format!("psql has ended after\n{statements}")),
                Err(error) => return Err(format!("psql cannot be read: {error}")),
                Ok(_) => {}
            }
            let line = line.trim_end_matches('\n');
            let Some(end) = line.strip_prefix(END) else {
                rows.push(line.to_owned());
                continue;
            };
            let count = end.trim().parse();
            let count = count.map_err(|_| format!("psql counts rows as {end:?}"))?;
            return Ok(Reply { rows, count });
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
