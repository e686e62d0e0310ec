//! The folder of the locks: who may see it, what is in it, and how it is changed.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, ReadDir, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::error::{Error, ErrorKind};
use crate::name::LockName;
use crate::store::host::file_system::refuse_shared;
use crate::store::host::moment::Moment;
use crate::store::host::process::Process;
use crate::store::host::state::State;

const GUARDS: u64 = 64;
/// The pause between two attempts to lock a guard. A transition takes microseconds.
const GUARD_RETRY: Duration = Duration::from_millis(1);
/// The longest part of a path. File names have at most 255 bytes.
const NAME_PART: usize = 200;
/// A cleaner of temporary files may remove a guard that was not modified for longer than this.
const TOUCH_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// The folder of the locks.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// How a new state is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Write {
    /// It may be lost with the machine.
    Replace,
    /// It must survive the machine.
    Sync,
}

/// A locked guard.
#[derive(Debug)]
pub(super) struct Guard(File);

/// `$CIVIC_LOCK_DIR`, else `/var/tmp/civic-lock-<uid>`: the same for every process of the user,
/// whatever its `TMPDIR`, and kept over a restart of the machine.
pub(super) fn default_folder() -> PathBuf {
    if let Some(folder) = env::var_os("CIVIC_LOCK_DIR") {
        return folder.into();
    }
    let uid = rustix::process::geteuid().as_raw();
    let base = ["/var/tmp", "/tmp"]
        .into_iter()
        .find(|base| Path::new(base).is_dir())
        .unwrap_or("/tmp");
    Path::new(base).join(format!("civic-lock-{uid}"))
}

// ===== impl Folder =====

impl Folder {
    /// Creates what is missing, and refuses a folder that others could change.
    pub(super) fn open(path: PathBuf) -> Result<Self, Error> {
        for part in [path.clone(), path.join("state"), path.join("alive")] {
            create_private(&part)?;
        }
        refuse_shared(&path)?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Locks the guard of a name. `None` if the deadline has passed.
    pub(super) fn guard(&self, name: &LockName, deadline: Instant) -> Result<Option<Guard>, Error> {
        self.guard_of(&name_part(name.as_str()), deadline)
    }

    fn guard_of(&self, encoded: &str, deadline: Instant) -> Result<Option<Guard>, Error> {
        let path = self
            .path
            .join(format!("guard-{:02x}", fnv1a(encoded.as_bytes()) % GUARDS));
        loop {
            let file = open_private(&path, true).map_err(|error| failed(&path, error))?;
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                        return Ok(None);
                    }
                    Err(TryLockError::WouldBlock) => std::thread::sleep(GUARD_RETRY),
                    Err(TryLockError::Error(error)) => return Err(failed(&path, error)),
                }
            }
            if same_file(&file, &path) {
                touch(&file);
                // The wait may have used up the time that the caller waits for.
                return Ok((Instant::now() < deadline).then_some(Guard(file)));
            }
        }
    }

    pub(super) fn state_path(&self, name: &LockName) -> PathBuf {
        self.path
            .join("state")
            .join(relative(&name_part(name.as_str())))
    }

    /// Reads the state of a name. A name without a file has the default state.
    pub(super) fn read(&self, name: &LockName) -> Result<State, Error> {
        let path = self.state_path(name);
        match fs::read(&path) {
            // What must survive the machine is synced before it gets its name, and the file of an
            // execution always is. Whatever has emptied it, its work may have been done.
            Ok(text) if text.is_empty() && is_of_an_execution(name) => Err(Error::new(
                ErrorKind::WrongType,
                format!(
                    "{} is empty, so it is not known whether its work was done. Look at its \
                     effect, and remove the file if the work may run",
                    path.display()
                ),
            )),
            // A machine that lost its power may leave an empty file of a lock. It says nothing, so
            // the lock is as if it had never been held; fences go on by the clock.
            Ok(text) if text.is_empty() => {
                tracing::warn!(path = %path.display(), "an empty state is taken for none");
                Ok(State::named(name))
            }
            Ok(text) => {
                let foreign = || Error::new(ErrorKind::WrongType, path.display().to_string());
                let state: State =
                    serde_json::from_slice(&text).map_err(|error| foreign().with_source(error))?;
                if state.name != name.as_str() {
                    return Err(foreign());
                }
                Ok(state)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::named(name)),
            Err(error) => Err(failed(&path, error)),
        }
    }

    /// Reads every state, without the guards. What is no state is left out.
    pub(super) fn states(&self) -> Vec<State> {
        let mut states = Vec::new();
        for path in state_files(&self.path.join("state")) {
            states.extend(read_state(&path));
        }
        states
    }

    /// Replaces the state in one step. Only under its guard.
    pub(super) fn write(&self, name: &LockName, state: &State, write: Write) -> Result<(), Error> {
        let path = self.state_path(name);
        let text = serde_json::to_vec(state)
            .map_err(|error| failed(&path, io::Error::new(io::ErrorKind::InvalidData, error)))?;
        if let Some(parent) = path.parent().filter(|parent| !parent.is_dir()) {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(|error| failed(parent, error))?;
        }
        let new = path.with_file_name(format!(
            ".{}",
            path.file_name().unwrap_or_default().to_string_lossy()
        ));
        let written = (|| {
            let mut file = open_private(&new, false)?;
            file.set_len(0)?;
            file.write_all(&text)?;
            match write {
                Write::Replace => {}
                Write::Sync => file.sync_data()?,
            }
            fs::rename(&new, &path)?;
            match (write, path.parent()) {
                // The new name has to survive the machine too.
                (Write::Sync, Some(parent)) => File::open(parent)?.sync_all(),
                (Write::Sync | Write::Replace, _) => Ok(()),
            }
        })();
        written.map_err(|error| failed(&path, error))
    }

    /// Begins to read the folder of the states. `None` if that is not possible now.
    pub(super) fn read_states(&self) -> Option<ReadDir> {
        fs::read_dir(self.path.join("state")).ok()
    }

    /// Removes the liveness files of dead processes.
    pub(super) fn remove_traces_of_the_dead(&self, deadline: Instant) {
        for entry in entries(&self.path.join("alive")) {
            if Instant::now() >= deadline {
                return;
            }
            self.is_dead(&entry);
        }
    }

    /// Removes a state that was not used for a long time and has no holder, or a dead one. One that
    /// cannot be removed now is removed another time.
    pub(super) fn remove_stale(
        &self,
        path: &Path,
        now: Moment,
        process: &Process,
        deadline: Instant,
    ) {
        let stale = || {
            let mut state = read_state(path)?;
            state.remove_ended_holder(now, process, |file| self.is_dead(file));
            Some(state).filter(|state| state.is_stale(now))
        };
        if let Some(state) = stale()
            && let Ok(Some(_guard)) = self.guard_of(&name_part(&state.name), deadline)
            && stale().is_some()
        {
            let _ = fs::remove_file(path);
        }
    }
}

// ===== impl Guard =====

impl Drop for Guard {
    fn drop(&mut self) {
        // A forked child would keep the lock after a mere close.
        let _ = self.0.unlock();
    }
}

/// Returns what changes when a file is replaced.
pub(super) fn version(path: &Path) -> Option<(u64, i64, i64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.ino(), meta.ctime(), meta.ctime_nsec()))
}

/// Returns whether a state names no holder. Read without the guard, so it is a hint only.
pub(super) fn is_free(path: &Path) -> bool {
    fs::read(path)
        .ok()
        .and_then(|text| serde_json::from_slice::<State>(&text).ok())
        .is_none_or(|state| state.is_free())
}

/// Whether a stored name, which may begin with a namespace, is that of an execution.
fn is_of_an_execution(name: &LockName) -> bool {
    let name = name.as_str();
    let within = name.split_once(':').map_or("", |(_, within)| within);
    name.starts_with("once:") || within.starts_with("once:")
}

fn create_private(path: &Path) -> Result<(), Error> {
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) => return Err(failed(path, error)),
    }
    // Do not follow a link: it could lead to where another user can write.
    let meta = fs::symlink_metadata(path).map_err(|error| failed(path, error))?;
    let owner = rustix::process::geteuid().as_raw();
    let why = if !meta.is_dir() {
        "is not a folder. Remove it, or set CIVIC_LOCK_DIR to another path"
    } else if meta.uid() != owner {
        "belongs to another user. Set CIVIC_LOCK_DIR to a folder of your own"
    } else if meta.mode() & 0o077 != 0 {
        "is open to other users. Run chmod 700 on it"
    } else {
        return Ok(());
    };
    Err(Error::config(format!("{} {why}", path.display())))
}

pub(super) fn open_private(path: &Path, keep: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(!keep)
        .mode(0o600)
        .open(path)
}

pub(super) fn same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => open.dev() == named.dev() && open.ino() == named.ino(),
        _ => false,
    }
}

fn touch(file: &File) {
    let old = file
        .metadata()
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|modified| modified.elapsed().ok())
        .is_some_and(|age| age > TOUCH_INTERVAL);
    if old {
        let _ = file.set_modified(SystemTime::now());
    }
}

pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Refused, path.display().to_string()).with_source(error)
}

/// The files of a folder and of the folders in it: a long name is a path of several parts.
fn state_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in entries(folder) {
        let path = folder.join(entry);
        if path.is_dir() {
            files.extend(state_files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

fn read_state(path: &Path) -> Option<State> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn entries(folder: &Path) -> Vec<String> {
    fs::read_dir(folder)
        .map(|all| {
            all.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter(|name| !name.starts_with('.'))
                .collect()
        })
        .unwrap_or_default()
}

/// Encodes a name. Distinct names have distinct encodings, and none is hidden or leads elsewhere.
fn name_part(name: &str) -> String {
    let mut part = String::with_capacity(name.len() + 2);
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => part.push(byte.into()),
            b'.' if !part.is_empty() => part.push('.'),
            _ => part.push_str(&format!("%{byte:02x}")),
        }
    }
    part
}

/// Returns the path of an encoded name. One that is too long for a file name is a path of several
/// parts: `%+` occurs in no encoding otherwise.
fn relative(part: &str) -> PathBuf {
    let mut path = PathBuf::new();
    let mut rest = part;
    while rest.len() > NAME_PART {
        let (head, tail) = rest.split_at(NAME_PART);
        path.push(format!("{head}%+"));
        rest = tail;
    }
    // A tail must not begin with a dot, which would hide it.
    path.push(rest.replacen('.', "%2e", usize::from(rest.starts_with('.'))));
    path
}

/// Hashes like every version of this library: two versions must agree on the guard.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
