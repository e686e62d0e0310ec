//! A resource that compares fences, which the leaders of an election write to: two files that all
//! of its candidates have open.
//!
//! The one holds the largest fence that was let in. The other gets one line per write, whether it
//! was let in or not, with the instant at which that was decided. Both change under a lock of the
//! kernel, which ends with its process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::history::{What, monotonic};
use crate::log::Log;

/// A number of this width is written in one piece.
const WIDTH: usize = 20;

/// The resource, opened by one candidate.
#[derive(Debug)]
pub(crate) struct Ledger {
    life: u32,
    largest: File,
    writes: File,
}

/// A line of the second file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    life: u32,
    fence: u64,
    is_leader: bool,
    is_accepted: bool,
    mono_ns: u64,
}

impl Ledger {
    pub(crate) fn open(path: &Path, life: u32) -> io::Result<Self> {
        let mut largest = OpenOptions::new();
        largest.read(true).write(true).create(true).truncate(false);
        let mut writes = OpenOptions::new();
        writes.append(true).create(true);
        Ok(Self {
            life,
            largest: largest.open(path.with_extension("fence"))?,
            writes: writes.open(lines(path))?,
        })
    }

    /// Writes with a fence, unless another candidate is about to. `is_leader` is what the caller
    /// believes to be.
    pub(crate) fn write(&mut self, fence: u64, is_leader: bool) -> io::Result<()> {
        match self.largest.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let written = self.compare_and_write(fence, is_leader);
        self.largest.unlock()?;
        written
    }

    fn compare_and_write(&mut self, fence: u64, is_leader: bool) -> io::Result<()> {
        let mut largest = String::new();
        self.largest.seek(SeekFrom::Start(0))?;
        self.largest.read_to_string(&mut largest)?;
        let is_accepted = largest.trim().parse::<u64>().unwrap_or(0) <= fence;
        if is_accepted {
            self.largest.seek(SeekFrom::Start(0))?;
            self.largest
                .write_all(format!("{fence:>WIDTH$}").as_bytes())?;
        }
        let line = serde_json::to_string(&Line {
            life: self.life,
            fence,
            is_leader,
            is_accepted,
            mono_ns: monotonic(),
        })?;
        self.writes.write_all(format!("{line}\n").as_bytes())
    }
}

/// Adds what was written to the history.
pub(crate) fn read(path: &Path, log: &Log) -> io::Result<()> {
    let text = match std::fs::read_to_string(lines(path)) {
        // No one was ever elected.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    for line in text.lines() {
        let line: Line = serde_json::from_str(line)?;
        log.at(
            line.mono_ns,
            What::Written {
                life: line.life,
                fence: line.fence,
                is_leader: line.is_leader,
                is_accepted: line.is_accepted,
            },
        );
    }
    Ok(())
}

fn lines(path: &Path) -> PathBuf {
    path.with_extension("jsonl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_with_a_smaller_fence_than_the_largest_is_refused_whoever_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut first = Ledger::open(&path, 1).unwrap();
        let mut second = Ledger::open(&path, 2).unwrap();
        first.write(10, true).unwrap();
        second.write(11, true).unwrap();
        first.write(10, false).unwrap();
        second.write(11, true).unwrap();
        let log = Log::create(&folder.path().join("history")).unwrap();
        read(&path, &log).unwrap();
        let accepted: Vec<_> = log
            .records()
            .iter()
            .map(|record| match record.what {
                What::Written {
                    life, is_accepted, ..
                } => (life, is_accepted),
                _ => panic!("{record:?}"),
            })
            .collect();
        assert_eq!(accepted, [(1, true), (2, true), (1, false), (2, true)]);
    }

    #[test]
    fn a_resource_that_is_in_use_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut first = Ledger::open(&path, 1).unwrap();
        let second = Ledger::open(&path, 2).unwrap();
        second.largest.lock().unwrap();
        first.write(10, true).unwrap();
        assert_eq!(std::fs::read_to_string(lines(&path)).unwrap(), "");
    }
}
