//! Operations on files of this machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::name::LockName;
use crate::store::answer::{Acquired, Claimed, Completed, Missed, Peek, Released, Renewed};
use crate::store::hints::Hints;
use crate::store::holder::Holder;
use crate::store::host::files::{self, Alive, Folder};
use crate::store::host::now::Now;
use crate::store::host::state::State;
use crate::store::host::transitions::{MARKS_KEPT, Write, claim};
use crate::store::host::watch::Poll;
use crate::store::request::ClaimRequest;
use crate::store::settings::Settings;
use crate::timing::Ttl;

pub(crate) struct HostStore {
    settings: Settings,
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) folder: Folder,
    alive: Alive,
    polls: Mutex<std::collections::HashMap<LockName, Weak<Poll>>>,
}

// ===== impl HostStore =====

impl HostStore {
    pub(crate) fn open(folder: Option<PathBuf>, settings: Settings) -> Result<Self, Error> {
        let folder = Folder::open(folder.unwrap_or_else(files::default_folder))?;
        let alive = folder.come_alive()?;
        folder.sweep(settings.command_timeout);
        Ok(Self {
            settings,
            shared: Arc::new(Shared {
                folder,
                alive,
                polls: Mutex::default(),
            }),
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.shared.folder.path()
    }

    pub(crate) fn command_timeout(&self) -> Duration {
        self.settings.command_timeout
    }

    pub(crate) async fn acquire(
        &self,
        name: &LockName,
        holder: &Holder,
        ttl: Ttl,
        abandoned: &[Holder],
    ) -> Result<Acquired, Error> {
        let (holder, abandoned) = (holder.clone(), abandoned.to_vec());
        self.transition(name, move |state, now, alive| {
            if state.held_by(&holder) {
                state.extend(ttl.as_millis(), now);
                let fence = state.fence;
                return (Write::Replace, Acquired::Acquired { fence });
            }
            if let Some(held) = state.holder.clone()
                && !abandoned.iter().any(|value| value.as_str() == held)
            {
                let ttl = state.ttl(now);
                return (Write::Keep, Acquired::Busy { holder: held, ttl });
            }
            let fence = state.take(&holder, ttl, now, alive);
            (Write::Replace, Acquired::Acquired { fence })
        })
        .await
    }

    pub(crate) async fn renew(
        &self,
        name: &LockName,
        holder: &Holder,
        ttl: Ttl,
        within: Duration,
    ) -> Result<Renewed, Error> {
        let holder = holder.clone();
        self.transition_within(within, name, move |state, now, _| {
            if !state.held_by(&holder) {
                return (Write::Keep, Renewed::NotOwner);
            }
            state.extend(ttl.as_millis(), now);
            (Write::Replace, Renewed::Renewed)
        })
        .await
    }

    pub(crate) async fn release(
        &self,
        name: &LockName,
        holder: &Holder,
        hold: Option<Duration>,
    ) -> Result<Released, Error> {
        let holder = holder.clone();
        self.transition(name, move |state, now, _| {
            if !state.held_by(&holder) {
                return (Write::Keep, Released::NotOwner);
            }
            (Write::Replace, state.let_go(hold, now))
        })
        .await
    }

    pub(crate) async fn peek(&self, name: &LockName) -> Result<Peek, Error> {
        self.transition(name, |state, now, _| {
            let peek = Peek {
                done: state.done,
                claimed: state.claimed,
                attempt: state.attempt,
                holder: state.holder.clone(),
                now: now.wall_ms(),
            };
            (Write::Keep, peek)
        })
        .await
    }

    pub(crate) async fn register(
        &self,
        name: &LockName,
        done: u64,
        retain: Duration,
    ) -> Result<u64, Error> {
        self.transition(name, move |state, now, _| match state.done {
            Some(done) => (Write::Keep, done),
            None => {
                state.done = Some(done);
                state.retain(retain, now);
                (Write::Sync, done)
            }
        })
        .await
    }

    pub(crate) async fn claim(
        &self,
        name: &LockName,
        holder: &Holder,
        ttl: Ttl,
        request: ClaimRequest,
        abandoned: &[Holder],
    ) -> Result<Claimed, Error> {
        let (holder, abandoned) = (holder.clone(), abandoned.to_vec());
        self.transition(name, move |state, now, alive| {
            claim(state, now, alive, &holder, ttl, request, &abandoned)
        })
        .await
    }

    pub(crate) async fn complete(
        &self,
        name: &LockName,
        holder: &Holder,
        tick: u64,
        hold: Option<Duration>,
    ) -> Result<Completed, Error> {
        let holder = holder.clone();
        self.transition(name, move |state, now, _| {
            if state.by.as_deref() == Some(holder.as_str()) {
                return (Write::Keep, Completed::Completed);
            }
            if !state.held_by(&holder) {
                return (Write::Keep, Completed::NotOwner);
            }
            state.done = state.done.max(Some(tick));
            state.by = Some(holder.as_str().to_owned());
            state.forget_claim();
            state.let_go(hold, now);
            (Write::Sync, Completed::Completed)
        })
        .await
    }

    pub(crate) async fn abandon(
        &self,
        name: &LockName,
        holder: &Holder,
    ) -> Result<Released, Error> {
        self.release(name, holder, None).await
    }

    pub(crate) async fn unclaim(
        &self,
        name: &LockName,
        holder: &Holder,
    ) -> Result<Released, Error> {
        let holder = holder.clone();
        self.transition(name, move |state, now, _| {
            if state.claimant.as_deref() == Some(holder.as_str()) {
                if state.prev.is_some() && state.done == state.claimed {
                    state.done = state.prev;
                }
                if state.attempt > 1 {
                    // An earlier holder had begun: the tick stays claimed.
                    state.attempt -= 1;
                    state.claimant = None;
                    state.prev = None;
                } else {
                    state.forget_claim();
                }
            }
            if !state.held_by(&holder) {
                return (Write::Sync, Released::NotOwner);
            }
            (Write::Sync, state.let_go(None, now))
        })
        .await
    }

    pub(crate) async fn miss(
        &self,
        name: &LockName,
        by: &Holder,
        from: u64,
        to: u64,
    ) -> Result<Missed, Error> {
        let by = by.clone();
        self.transition(name, move |state, _, _| {
            if state.marks.iter().any(|(who, _)| who == by.as_str()) {
                return (Write::Keep, Missed::Marked);
            }
            let done = state.done;
            // Certain if no movement since `from` has been dropped from the list.
            let certain = state
                .marks
                .get(MARKS_KEPT - 1)
                .is_none_or(|&(_, to)| to <= from);
            let changed = (Write::Keep, Missed::Changed { done, certain });
            if done != Some(from) || to <= from {
                return changed;
            }
            if state.claimed > done {
                // Somebody runs it, or may still take it over.
                let busy = state.holder.is_some() && state.holder != state.by;
                if state.claimed != Some(to) || busy {
                    return changed;
                }
                state.forget_claim();
            }
            state.done = Some(to);
            state.marks.insert(0, (by.as_str().to_owned(), to));
            state.marks.truncate(MARKS_KEPT);
            (Write::Sync, Missed::Marked)
        })
        .await
    }

    /// Files announce nothing: a task looks at the time of the last change, for as long as somebody
    /// listens.
    pub(crate) fn hints(&self, name: &LockName) -> Hints {
        let mut polls = self
            .shared
            .polls
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let poll = polls.get(name).and_then(Weak::upgrade).unwrap_or_else(|| {
            polls.retain(|_, poll| poll.strong_count() > 0);
            let poll = Arc::new(Poll::start(self.shared.folder.state_path(name)));
            polls.insert(name.clone(), Arc::downgrade(&poll));
            poll
        });
        Hints::new(poll.heard.subscribe(), poll)
    }

    async fn transition<T: Send + 'static>(
        &self,
        name: &LockName,
        step: impl FnOnce(&mut State, Now, &Alive) -> (Write, T) + Send + 'static,
    ) -> Result<T, Error> {
        self.transition_within(self.settings.command_timeout, name, step)
            .await
    }

    /// One transition under the guard, on a thread that may block.
    async fn transition_within<T: Send + 'static>(
        &self,
        within: Duration,
        name: &LockName,
        step: impl FnOnce(&mut State, Now, &Alive) -> (Write, T) + Send + 'static,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + within;
        let (shared, name) = (self.shared.clone(), name.clone());
        let work = tokio::task::spawn_blocking(move || {
            let Some(_guard) = shared.folder.guard(&name, deadline)? else {
                return Err(Error::timeout(within));
            };
            // Read under the guard: a wait for it must not age the clock.
            let now = Now::read();
            let mut state = shared.folder.read(&name)?;
            state.settle(now, &shared.folder, &shared.alive);
            let (write, answer) = step(&mut state, now, &shared.alive);
            match write {
                Write::Keep => {}
                Write::Replace => shared.folder.write(&name, &state, false)?,
                Write::Sync => shared.folder.write(&name, &state, true)?,
            }
            Ok(answer)
        });
        match tokio::time::timeout_at(deadline.into(), work).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(ended)) => Err(Error::new(
                ErrorKind::Connection,
                "the runtime is shutting down",
            )
            .with_source(ended)),
            Err(_) => Err(Error::timeout(within)),
        }
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
