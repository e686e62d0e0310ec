//! Where the locks of a part are kept: a redis-server that is killed, or the files of this machine.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use civic_testkit::redis::RedisServer;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::once::backend::{Backend, Fsync};
use crate::random::Random;

/// How often the length of the file is noted, to know what was synced when.
const NOTED_EVERY: Duration = Duration::from_millis(20);
/// What the server has not synced for so long is lost in a power failure.
const UNSYNCED: Duration = Duration::from_secs(1);

/// The store of a part.
#[derive(Debug)]
pub(super) enum Store {
    Redis { server: RedisServer, fsync: Fsync },
    Host(TempDir),
}

// ===== impl Store =====

impl Store {
    pub(super) async fn start(backend: Backend, fsync: Fsync) -> io::Result<Self> {
        Ok(match backend {
            Backend::Redis => {
                let arguments = ["--appendonly", "yes", "--appendfsync", fsync.word()];
                let server = RedisServer::start_with(&arguments).await;
                Self::Redis { server, fsync }
            }
            Backend::Host => {
                let folder = TempDir::new()?;
                DirBuilder::new()
                    .mode(0o700)
                    .create(folder.path().join("locks"))?;
                Self::Host(folder)
            }
        })
    }

    /// Returns the variables with which a process finds it.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let (name, value) = match self {
            Self::Redis { server, .. } => ("REDIS_URL", server.url()),
            Self::Host(folder) => {
                let folder = folder.path().join("locks");
                ("CIVIC_LOCK_DIR", folder.display().to_string())
            }
        };
        vec![(name.to_owned(), value)]
    }

    /// Kills the server again and again until then, and returns how often.
    pub(super) async fn kill_until(&mut self, end: Instant, mut random: Random) -> io::Result<u64> {
        let Self::Redis { server, fsync } = self else {
            return Ok(0);
        };
        let mut kills = 0;
        loop {
            let pause = Duration::from_millis(random.between(1500, 5000));
            if Instant::now() + pause >= end {
                return Ok(kills);
            }
            match fsync {
                Fsync::Always => {
                    sleep(pause).await;
                    server.kill();
                }
                Fsync::EverySecond => {
                    let synced = note_lengths(server.folder(), pause).await?;
                    server.kill();
                    lose_the_rest(server.folder(), &synced)?;
                }
            }
            sleep(Duration::from_millis(random.between(50, 1500))).await;
            server.restart().await;
            kills += 1;
        }
    }
}

/// Notes for this long how long the files of the server are, and returns what the lengths were a
/// while before the end.
async fn note_lengths(folder: &Path, pause: Duration) -> io::Result<Vec<(PathBuf, u64)>> {
    let end = Instant::now() + pause;
    let mut noted: VecDeque<(Instant, Vec<(PathBuf, u64)>)> = VecDeque::new();
    while Instant::now() < end {
        noted.push_back((Instant::now(), lengths(folder)?));
        while noted.get(1).is_some_and(|(at, _)| at.elapsed() > UNSYNCED) {
            noted.pop_front();
        }
        sleep(NOTED_EVERY).await;
    }
    Ok(noted
        .pop_front()
        .map(|(_, lengths)| lengths)
        .unwrap_or_default())
}

fn lengths(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut lengths = Vec::new();
    for entry in fs::read_dir(folder.join("appendonlydir"))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".incr.aof") {
            lengths.push((entry.path(), entry.metadata()?.len()));
        }
    }
    Ok(lengths)
}

/// Cuts each file to what it was: what a server finds after a power failure.
fn lose_the_rest(folder: &Path, synced: &[(PathBuf, u64)]) -> io::Result<()> {
    for (path, length) in lengths(folder)? {
        let was = synced.iter().find(|(of, _)| *of == path);
        let was = was.map_or(0, |(_, length)| *length).min(length);
        OpenOptions::new().write(true).open(path)?.set_len(was)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_since_is_lost_and_nothing_else() {
        let folder = TempDir::new().expect("a temporary folder");
        let files = folder.path().join("appendonlydir");
        fs::create_dir(&files).expect("a folder");
        let (old, new) = (files.join("1.incr.aof"), files.join("2.incr.aof"));
        let base = files.join("1.base.rdb");
        for path in [&old, &base] {
            fs::write(path, "synced").expect("a file");
        }
        let synced = lengths(folder.path()).expect("readable");
        for path in [&old, &base] {
            fs::write(path, "synced and more").expect("a file");
        }
        fs::write(&new, "more").expect("a file");
        lose_the_rest(folder.path(), &synced).expect("writable");
        let text = |path| fs::read_to_string(path).expect("a file");
        assert_eq!(text(&old), "synced");
        assert_eq!(text(&new), "");
        assert_eq!(text(&base), "synced and more", "it is no file of writes");
    }
}
