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
use crate::store::host::sweep::Sweep;
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
    sweep: Sweep,
    watches: Mutex<WeakMap<LockName, Watch>>,
}

// ===== impl HostStore =====

impl HostStore {
    pub(crate) fn open(folder: Option<PathBuf>, settings: Settings) -> Result<Self, Error> {
        let folder = Folder::open(folder.unwrap_or_else(files::default_folder))?;
        let liveness = folder.create_liveness_file()?;
        let sweep = Sweep::start(&folder, liveness.process(), settings.command_timeout);
        Ok(Self {
            settings,
            threads: Arc::new(Semaphore::new(MAX_THREADS)),
            shared: Arc::new(Shared {
                folder,
                liveness,
                sweep,
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
        if shared.sweep.is_due() {
            let shared = shared.clone();
            // Nothing waits for it.
            drop(tokio::task::spawn_blocking(move || {
                shared
                    .sweep
                    .go_on(&shared.folder, shared.liveness.process());
            }));
        }
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
            let remembers = state.remembers();
            state.remove_ended_holder(now, process, |file| folder.is_dead(file));
            state.remove_ended_execution(now);
            let (next, answer) = step(&state, now, process, command);
            if let Some(write) = durability(&state, remembers, &next) {
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

/// How a new state has to be written; `None` if nothing has changed. `remembers` says whether
/// something in the file has to survive the machine.
fn durability(state: &State, remembers: bool, next: &State) -> Option<Write> {
    if state == next {
        None
    } else if remembers || next.remembers() {
        // A renewal too: the new file takes the place of the one that was synced.
        Some(Write::Sync)
    } else {
        Some(Write::Replace)
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
    use crate::delivery::Delivery;
    use crate::store::command::{AdmitFence, Peek, Register, Release, Renew};
    use crate::store::holder::Holder;
    use crate::store::host::process::Process;
    use crate::store::once::{OnceBegin, OnceTerms};
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
        assert_eq!(durability(&held, held.remembers(), &next), None);
        let renew = Renew {
            holder: holder.clone(),
            ttl,
        };
        let (next, _) = step(&held, later, &process, renew);
        assert_eq!(
            durability(&held, held.remembers(), &next),
            Some(Write::Replace)
        );
        let release = Release { holder, hold: None };
        let (next, _) = step(&held, later, &process, release);
        assert_eq!(
            durability(&held, held.remembers(), &next),
            Some(Write::Replace)
        );
        let admit = AdmitFence {
            fence: 7,
            ahead: Duration::ZERO,
        };
        let (next, _) = step(&held, later, &process, admit);
        assert_eq!(
            durability(&held, held.remembers(), &next),
            Some(Write::Sync)
        );
        let (again, _) = step(&next, later, &process, admit);
        assert_eq!(
            durability(&next, next.remembers(), &again),
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
        assert_eq!(
            durability(&held, held.remembers(), &next),
            Some(Write::Sync)
        );
    }

    #[test]
    fn a_renewal_or_a_release_of_what_must_survive_the_machine_survives_it_too() {
        let process = Process {
            boot: "boot".to_owned(),
            liveness_file: "file".to_owned(),
        };
        let now = Moment::at(1_000, 1_772_089_200_000_000);
        let later = Moment::at(2_000, 1_772_089_201_000_000);
        let ttl = Ttl::new(Duration::from_secs(30)).expect("a valid ttl");
        let holder = Holder::new("a");
        let plain = State::named(&LockName::new("nightly").expect("a valid name"));
        let begin = OnceBegin {
            holder: holder.clone(),
            ttl,
            terms: OnceTerms {
                delivery: Delivery::AtMostOnce,
                fingerprint: String::new(),
                retain: Duration::from_secs(60),
            },
            keep: Duration::from_secs(60),
            orphans: Vec::new(),
        };
        let register = Register {
            done: 7,
            retain: Duration::ZERO,
            schedule: None,
            first: 0,
        };
        let admit = AdmitFence {
            fence: 7,
            ahead: Duration::ZERO,
        };
        for mut known in [
            step(&plain, now, &process, begin).0,
            step(&plain, now, &process, register).0,
            step(&plain, now, &process, admit).0,
        ] {
            known.grant(&holder, ttl, now, &process);
            let renew = Renew {
                holder: holder.clone(),
                ttl,
            };
            let release = Release {
                holder: holder.clone(),
                hold: None,
            };
            for next in [
                step(&known, later, &process, renew).0,
                step(&known, later, &process, release).0,
            ] {
                let written = durability(&known, known.remembers(), &next);
                assert_eq!(written, Some(Write::Sync), "{next:?}");
            }
        }
    }
}
