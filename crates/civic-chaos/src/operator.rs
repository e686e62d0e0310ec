//! An operator who looks at the locks and the jobs during the run, with the operator's tool.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::history::{Asked, Seen, What, monotonic};
use crate::log::Log;

/// Between two questions. Each group is asked in its turn.
const PAUSE: Duration = Duration::from_millis(400);
/// A store that is away is no reason to wait for longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an operator of one group needs.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) group: usize,
    pub(crate) civic: PathBuf,
    /// Where the group keeps its lock.
    pub(crate) environment: Vec<(String, String)>,
}

/// A line of `civic lock ls` or `civic job ls`. Members that only one of them has are optional.
#[derive(Debug, Deserialize)]
struct Line {
    name: String,
    holder: Option<String>,
    fence: Option<u64>,
    done: Option<u64>,
}

/// Asks about one group after the other, and records the answers, for as long as it is polled.
pub(crate) async fn look(desks: Vec<Desk>, log: Log) {
    loop {
        for desk in &desks {
            for asked in [Asked::Locks, Asked::Jobs] {
                let from = monotonic();
                let seen = desk.ask(asked).await.ok().flatten();
                log.now(What::Operator {
                    group: desk.group,
                    from,
                    asked,
                    seen,
                });
                sleep(PAUSE).await;
            }
        }
    }
}

// ===== impl Desk =====

impl Desk {
    /// Returns what is listed. `None` if the tool has said that the store does not answer.
    async fn ask(&self, asked: Asked) -> io::Result<Option<Vec<Seen>>> {
        let words = match asked {
            Asked::Locks => ["lock", "ls"],
            Asked::Jobs => ["job", "ls"],
        };
        let output = Command::new(&self.civic)
            .args(words)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .output();
        let output = timeout(PATIENCE, output).await??;
        if !output.status.success() {
            return Ok(None);
        }
        let lines = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Line>();
        let seen: Result<_, _> = lines.map(|line| line.map(Seen::from)).collect();
        Ok(Some(seen.map_err(io::Error::from)?))
    }
}

// ===== impl Seen =====

impl From<Line> for Seen {
    fn from(line: Line) -> Self {
        Self {
            name: line.name,
            is_held: line.holder.is_some(),
            fence: line.fence,
            done: line.done,
        }
    }
}
