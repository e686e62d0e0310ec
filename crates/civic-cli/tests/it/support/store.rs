//! The tool beside the two stores.

use std::path::PathBuf;
use std::time::Duration;

use civic_lock::LockService;
use civic_testkit::redis::RedisServer;
use serde_json::Value;
use tokio::process::Command;

/// Where the locks of a test are.
pub(crate) enum Store {
    Redis(RedisServer),
    Host(tempfile::TempDir),
}

/// What the tool has said. It has no lines if that is not JSON.
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) lines: Vec<Value>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

// ===== impl Store =====

impl Store {
    pub(crate) async fn both() -> [Self; 2] {
        let folder = tempfile::tempdir().expect("a folder");
        [Self::Redis(RedisServer::start().await), Self::Host(folder)]
    }

    fn folder(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("locks")
    }

    pub(crate) fn locks(&self) -> LockService {
        let builder = LockService::builder();
        let builder = match self {
            Self::Redis(server) => builder.redis_url(server.url()),
            Self::Host(folder) => builder.host_folder(Self::folder(folder)),
        };
        let builder = builder.command_timeout(Duration::from_secs(10));
        builder.build().expect("a service")
    }

    /// Runs the tool, again if a busy machine or disk kept the store from answering in time.
    pub(crate) async fn civic(&self, arguments: &[&str]) -> Answer {
        loop {
            let answer = self.civic_once(arguments).await;
            if !answer.stderr.contains("did not answer in time") {
                return answer;
            }
        }
    }

    /// Runs the tool once.
    pub(crate) async fn civic_once(&self, arguments: &[&str]) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_civic"));
        command.args(arguments).env_clear();
        match self {
            Self::Redis(server) => command.env("REDIS_URL", server.url()),
            Self::Host(folder) => command.env("CIVIC_LOCK_DIR", Self::folder(folder)),
        };
        let output = command.output().await.expect("an end");
        let text = String::from_utf8(output.stdout).expect("text");
        let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
        Answer {
            code: output.status.code(),
            lines: lines.unwrap_or_default(),
            stdout: text,
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Asks until the answer is what is waited for.
    pub(crate) async fn until(&self, arguments: &[&str], done: impl Fn(&Answer) -> bool) -> Answer {
        loop {
            let answer = self.civic(arguments).await;
            if done(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
