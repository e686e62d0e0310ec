//! Removes what is not used any more, bit by bit, for as long as the store lives.

use std::fs::{self, ReadDir};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::mutex::Mutex;
use crate::store::host::files::Folder;
use crate::store::host::moment::Moment;
use crate::store::host::process::Process;

/// A part of the sweep is due after so many commands: it looks at more files than they have made,
/// so that the files never outnumber those in use by much.
const COMMANDS: usize = 500;
/// How many files a part looks at.
const FILES: usize = 1000;
/// How long a part may take.
const WITHIN: Duration = Duration::from_millis(200);

/// What was swept, and what is left.
#[derive(Debug)]
pub(super) struct Sweep(Mutex<Progress>);

#[derive(Debug)]
struct Progress {
    /// The commands since the last part was due.
    commands: usize,
    /// `None` while a part runs.
    rest: Option<Rest>,
}

/// What this round has not looked at yet: the folders that are being read, the innermost last. A
/// round has ended when there is none, and the next one begins.
#[derive(Debug, Default)]
struct Rest(Vec<ReadDir>);

// ===== impl Sweep =====

impl Sweep {
    /// Sweeps what can be swept within this time. Later parts go on from there.
    pub(super) fn start(folder: &Folder, process: &Process, within: Duration) -> Self {
        let mut rest = Rest::default();
        rest.sweep(folder, process, usize::MAX, within);
        Self(Mutex::new(Progress {
            commands: 0,
            rest: Some(rest),
        }))
    }

    /// Counts a command. Returns whether a part is due: then call [`go_on`](Self::go_on), on a
    /// thread that may block.
    pub(super) fn is_due(&self) -> bool {
        let mut progress = self.0.lock();
        progress.commands += 1;
        let is_due = progress.commands >= COMMANDS;
        if is_due {
            progress.commands = 0;
        }
        is_due
    }

    /// Sweeps the next part. Does nothing while another thread does.
    pub(super) fn go_on(&self, folder: &Folder, process: &Process) {
        let taken = self.0.lock().rest.take();
        if let Some(mut rest) = taken {
            rest.sweep(folder, process, FILES, WITHIN);
            self.0.lock().rest = Some(rest);
        }
    }
}

// ===== impl Rest =====

impl Rest {
    fn sweep(&mut self, folder: &Folder, process: &Process, files: usize, within: Duration) {
        let deadline = Instant::now() + within;
        let now = Moment::now();
        if self.0.is_empty() {
            folder.remove_traces_of_the_dead(deadline);
            self.0.extend(folder.read_states());
        }
        for _ in 0..files {
            if Instant::now() >= deadline {
                return;
            }
            let Some(path) = self.next_file() else {
                return;
            };
            folder.remove_stale(&path, now, process, deadline);
        }
    }

    /// Reads on, in the folders of long names too.
    fn next_file(&mut self) -> Option<PathBuf> {
        while let Some(open) = self.0.last_mut() {
            let Some(Ok(entry)) = open.next() else {
                self.0.pop();
                continue;
            };
            // A state that is being written.
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            match fs::read_dir(&path) {
                Ok(inner) => self.0.push(inner),
                Err(_) => return Some(path),
            }
        }
        None
    }
}
