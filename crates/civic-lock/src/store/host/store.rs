//! Runs commands on files: locks the guard, reads the state, steps, writes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::error::Error;
use crate::mutex::Mutex;
use crate::name::LockName;
use crate::store::hints::Hints;
use crate::store::host::files::{self, Folder, Write};
use crate::store::host::liveness::LivenessFile;
use crate::store::host::moment::Moment;
use crate::store::host::state::State;
use crate::store::host::transitions::{Transition, step};
use crate::store::host::watch::Watch;
use crate::store::listing::Listing;
use crate::store::settings::Settings;
use crate::weak_map::WeakMap;

/// A transition takes microseconds, and the guards let one at a time in.
const MAX_THREADS: usize = 32;

/// Locks in files of this machine.
pub(crate) struct HostStore {
    settings: Settings,
    pub(super) shared: Arc<Shared>,
    /// How many threads may be in a transition at the same time.
    threads: Arc<Semaphore>,
}

pub(super) struct Shared {
    pub(super) folder: Folder,
    liveness: LivenessFile,
    watches: Mutex<WeakMap<LockName, Watch>>,
}

// ===== impl HostStore =====

impl HostStore {
    pub(crate) fn open(folder: Option<PathBuf>, settings: Settings) -> Result<Self, Error> {
        let folder = Folder::open(folder.unwrap_or_else(files::default_folder))?;
        let liveness = folder.create_liveness_file()?;
        folder.sweep(settings.command_timeout);
        Ok(Self {
            settings,
            threads: Arc::new(Semaphore::new(MAX_THREADS)),
            shared: Arc::new(Shared {
                folder,
                liveness,
                watches: Mutex::default(),
            }),
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.shared.folder.path()
    }

    pub(crate) fn command_timeout(&self) -> Duration {
        self.settings.command_timeout
    }

    /// Runs one transition under the guard, on a thread that may block.
    pub(crate) async fn run<C: Transition>(
        &self,
        within: Duration,
        name: &LockName,
        command: C,
    ) -> Result<C::Answer, Error> {
        let deadline = Instant::now() + within;
        let (shared, name) = (self.shared.clone(), self.settings.namespace.stored(name));
        // A disk that hangs must not take every thread that may block: others need them too.
        let permit = self.threads.clone().acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout_at(deadline.into(), permit).await else {
            return Err(Error::timeout(within).never_sent());
        };
        let work = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            shared.folder.keep_liveness_file(&shared.liveness)?;
            let (folder, process) = (&shared.folder, shared.liveness.process());
            let Some(_guard) = folder.guard(&name, deadline)? else {
                return Err(Error::timeout(within).never_sent());
            };
            // Read under the guard: a wait for it must not age the clock.
            let now = Moment::now();
            let mut state = folder.read(&name)?;
            state.remove_ended_holder(now, process, |file| folder.is_dead(file));
            state.remove_ended_execution(now);
            let (next, answer) = step(&state, now, process, command);
            if let Some(write) = durability(&state, &next) {
                folder.write(&name, &next, write)?;
            }
            Ok(answer)
        });
        match tokio::time::timeout_at(deadline.into(), work).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(ended)) => Err(Error::runtime_shutdown().with_source(ended)),
            Err(_) => Err(Error::timeout(within)),
        }
    }

    /// Lists names by their state files. Read without the guards.
    pub(crate) async fn list(&self, listing: Listing) -> Result<Vec<LockName>, Error> {
        let (shared, namespace) = (self.shared.clone(), self.settings.namespace.clone());
        let work = tokio::task::spawn_blocking(move || {
            let states = shared.folder.states();
            let listed = states.iter().filter(|state| match listing {
                Listing::Locks => state.holder.is_some(),
                Listing::Jobs => state.ticks.done.is_some(),
                Listing::Executions => state.once.is_some(),
            });
            listed
                .filter_map(|state| namespace.given(&state.name))
                .collect()
        });
        work.await
            .map_err(|ended| Error::runtime_shutdown().with_source(ended))
    }

    /// Files announce nothing: a task looks at the time of the last change for as long as there are
    /// listeners.
    pub(crate) fn hints(&self, name: &LockName) -> Hints {
        let name = &self.settings.namespace.stored(name);
        let mut watches = self.shared.watches.lock();
        let watch = watches.share(
            name,
            |watch| !watch.is_finished(),
            || Watch::start(self.shared.folder.state_path(name)),
        );
        Hints::new(watch.subscribe(), watch)
    }
}

/// How a new state has to be written; `None` if nothing has changed.
fn durability(state: &State, next: &State) -> Option<Write> {
    if state.ticks != next.ticks || state.once != next.once || state.admitted != next.admitted {
        // Which ticks and executions are begun and done, and which holder was the latest to write,
        // must survive the machine.
        Some(Write::Sync)
    } else if state != next {
        Some(Write::Replace)
    } else {
        None
    }
}

impl fmt::Debug for HostStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostStore")
            .field("folder", &self.folder())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::command::{AdmitFence, Peek, Register, Release, Renew};
    use crate::store::holder::Holder;
    use crate::store::host::process::Process;
    use crate::timing::Ttl;

    #[test]
    fn what_says_which_ticks_are_done_and_who_wrote_last_must_survive_the_machine_and_nothing_else()
    {
        let process = Process {
            boot: "boot".to_owned(),
            liveness_file: "file".to_owned(),
        };
        let now = Moment {
            boot_ms: 1_000,
            wall_us: 1_772_089_200_000_000,
        };
        let (holder, ttl) = (
            Holder::new("a"),
            Ttl::new(Duration::from_secs(30)).expect("a valid ttl"),
        );
        let mut held = State::named(&LockName::new("nightly").expect("a valid name"));
        held.grant(&holder, ttl, now, &process);
        let later = Moment {
            boot_ms: 2_000,
            ..now
        };

        let (next, _) = step(&held, later, &process, Peek);
        assert_eq!(durability(&held, &next), None);
        let renew = Renew {
            holder: holder.clone(),
            ttl,
        };
        let (next, _) = step(&held, later, &process, renew);
        assert_eq!(durability(&held, &next), Some(Write::Replace));
        let release = Release { holder, hold: None };
        let (next, _) = step(&held, later, &process, release);
        assert_eq!(durability(&held, &next), Some(Write::Replace));
        let admit = AdmitFence {
            fence: 7,
            ahead: Duration::ZERO,
        };
        let (next, _) = step(&held, later, &process, admit);
        assert_eq!(durability(&held, &next), Some(Write::Sync));
        let (again, _) = step(&next, later, &process, admit);
        assert_eq!(
            durability(&next, &again),
            None,
            "most requests write nothing"
        );
        let register = Register {
            done: 7,
            retain: Duration::ZERO,
            schedule: None,
            first: 0,
        };
        let (next, _) = step(&held, later, &process, register);
        assert_eq!(durability(&held, &next), Some(Write::Sync));
    }
}
