//! The file by which other processes see that this one lives.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use crate::error::Error;
use crate::mutex::Mutex;
use crate::store::host::files::{Folder, failed, open_private, same_file};
use crate::store::host::moment::Moment;
use crate::store::host::process::Process;

/// The proof that this process lives: a file that it keeps locked. Explicitly unlocked, because a
/// forked child would keep the lock after a mere close.
#[derive(Debug)]
pub(super) struct LivenessFile {
    process: Process,
    path: PathBuf,
    lock: Mutex<File>,
}

// ===== impl Folder =====

impl Folder {
    /// Creates a file that is locked until this process ends.
    pub(super) fn create_liveness_file(&self) -> Result<LivenessFile, Error> {
        let file = uuid::Uuid::new_v4().simple().to_string();
        Ok(LivenessFile {
            path: self.path().join("alive").join(&file),
            lock: Mutex::new(self.lock_liveness_file(&file)?),
            process: Process {
                boot: boot_id(),
                liveness_file: file,
            },
        })
    }

    /// Makes sure that the liveness file is there: without it the others take this process for
    /// dead.
    pub(super) fn keep_liveness_file(&self, alive: &LivenessFile) -> Result<(), Error> {
        let mut lock = alive.lock.lock();
        if !same_file(&lock, &alive.path) {
            tracing::warn!(
                path = %alive.path.display(),
                "the liveness file of this process was removed, and is created again. Keep cleaners \
                 of temporary files away from it"
            );
            *lock = self.lock_liveness_file(&alive.process.liveness_file)?;
        }
        Ok(())
    }

    fn lock_liveness_file(&self, file: &str) -> Result<File, Error> {
        let path = self.path().join("alive").join(file);
        // The lock comes with the name: a process that sees the file unlocked takes its owner for
        // dead.
        let hidden = self.path().join("alive").join(format!(".{file}"));
        let lock = open_private(&hidden, true).map_err(|error| failed(&hidden, error))?;
        lock.try_lock()
            .map_err(|error| failed(&hidden, error.into()))?;
        fs::rename(&hidden, &path).map_err(|error| failed(&path, error))?;
        Ok(lock)
    }

    /// Returns whether the process behind a liveness file has ended, and then removes the file.
    pub(super) fn is_dead(&self, file: &str) -> bool {
        let path = self.path().join("alive").join(file);
        match File::open(&path) {
            Err(error) => error.kind() == io::ErrorKind::NotFound,
            Ok(alive) => match alive.try_lock() {
                Ok(()) => {
                    let _ = fs::remove_file(&path);
                    let _ = alive.unlock();
                    true
                }
                // Locked, or unknown: alive is the safe side.
                Err(_) => false,
            },
        }
    }
}

// ===== impl LivenessFile =====

impl LivenessFile {
    pub(super) fn process(&self) -> &Process {
        &self.process
    }
}

impl Drop for LivenessFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = self.lock.lock().unlock();
    }
}

/// Returns the id of this boot. Where the system has none, the time of the boot, to the minute,
/// stands for it. Two processes see another minute if the clock was set between their starts. A
/// lease of another boot is only free if its process has ended, so that takes no lock from anyone;
/// a minimum hold may then end early.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map_or_else(
        |_| {
            let now = Moment::now();
            format!("{}", now.wall_ms().saturating_sub(now.boot_ms) / 60_000)
        },
        |id| id.trim().to_owned(),
    )
}
