//! Locks in files of one machine, among the processes of one user.
//!
//! The promise is that of Redis, with the machine in its place. Not promised: anything between two
//! machines, over a network file system, or between two users.
//!
//! | file | what | lifetime |
//! |---|---|---|
//! | `guard-XX` | locked (`flock`) for the length of one transition | never unlinked or renamed |
//! | `state/<name>` | holder, fence, expiry, watermark; replaced by renaming, under its guard | 7 days without use |
//! | `alive/<uuid>` | locked by one process for as long as it lives | unlinked by its owner, or by whoever finds it dead |
//!
//! A file lock alone would not do: it has no ttl, and a stopped holder keeps it for ever. So a lease
//! is free when its expiry (`CLOCK_BOOTTIME` and boot id) has passed, **or** when its holder's alive
//! file can be locked, that is when its process has died.
//!
//! Guards are shared out by a hash of the name, 64 of them: they are held for microseconds, and a
//! guard a name could never be removed. A process that is stopped in just these microseconds makes
//! the others answer `Timeout` until it goes on: nobody gets the lock, which is the safe side.
//! Should somebody unlink a guard all the same, the next one to lock it notices that the path leads
//! elsewhere, and starts again.

mod files;
mod state;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use self::files::{Alive, Folder};
use self::state::State;
use super::{
    Acquired, ClaimRequest, Claimed, Completed, Delivery, Hints, Holder, Missed, Peek, Released,
    Renewed,
};
use crate::builder::Settings;
use crate::lease::clock;
use crate::timing::Ttl;
use crate::{Error, LockName};

/// How often a waiter looks whether the state has changed.
const HINT_POLL: Duration = Duration::from_millis(200);

pub(crate) struct HostStore {
    settings: Settings,
    shared: Arc<Shared>,
}

struct Shared {
    folder: Folder,
    alive: Alive,
    polls: Mutex<std::collections::HashMap<LockName, Weak<Poll>>>,
}

/// The moment of a transition, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Milliseconds since boot, suspension included: what leases expire by.
    pub(super) boot_ms: u64,
    /// Microseconds since the epoch: what fences and ticks are made of.
    pub(super) wall_us: u64,
}

impl Now {
    fn read() -> Self {
        let wall = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            boot_ms: clock::now().as_millis() as u64,
            wall_us: wall.as_micros() as u64,
        }
    }

    pub(super) fn wall_ms(self) -> u64 {
        self.wall_us / 1000
    }
}

/// What a transition leaves behind.
pub(super) enum Write {
    /// The state as it was.
    Keep,
    /// A new state; it may be lost with the machine.
    Replace,
    /// A new state that must survive the machine: it says which ticks are done.
    Sync,
}

/// How many movements of a watermark over missed ticks are remembered.
const MARKS_KEPT: usize = 16;

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
        Hints {
            received: poll.heard.subscribe(),
            _subscription: poll,
        }
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
                crate::ErrorKind::Connection,
                "the runtime is shutting down",
            )
            .with_source(ended)),
            Err(_) => Err(Error::timeout(within)),
        }
    }
}

/// The same decision, in the same order, as `claim.lua`.
fn claim(
    state: &mut State,
    now: Now,
    alive: &Alive,
    holder: &Holder,
    ttl: Ttl,
    request: ClaimRequest,
    abandoned: &[Holder],
) -> (Write, Claimed) {
    let wall = now.wall_ms();
    let at_most_once = request.delivery == Delivery::AtMostOnce;
    let grace = request.grace.as_millis() as u64;
    let Some(mut done) = state.done else {
        return (Write::Keep, Claimed::Unregistered { now: wall });
    };
    let ours = |held: &str| {
        held == holder.as_str() || abandoned.iter().any(|value| value.as_str() == held)
    };
    let take = |state: &mut State, tick: u64, attempt: u32, done: u64| {
        let fence = state.take(holder, ttl, now, alive);
        state.retain(request.retain, now);
        state.claimed = Some(tick);
        state.claimant = Some(holder.as_str().to_owned());
        state.attempt = attempt;
        if at_most_once && tick > done {
            state.prev = Some(done);
            state.done = Some(tick);
        }
        let claimed = Claimed::Claimed {
            tick,
            fence,
            attempt,
            done,
        };
        (Write::Sync, claimed)
    };
    let too_late = |tick: u64| (Write::Keep, Claimed::TooLate { tick, done });

    let held = state.holder.clone();
    // Mine already: the answer to an earlier call was lost, and its work has not begun.
    if let (Some(held), Some(claimed)) = (&held, state.claimed)
        && state.claimant.as_ref() == Some(held)
        && ours(held)
    {
        if let Some(prev) = state.prev
            && claimed == done
        {
            done = prev;
        }
        if held == holder.as_str() {
            state.extend(ttl.as_millis(), now);
            let (fence, attempt) = (state.fence, state.attempt);
            let claimed = Claimed::Claimed {
                tick: claimed,
                fence,
                attempt,
                done,
            };
            return (Write::Replace, claimed);
        }
        let attempt = state.attempt;
        return take(state, claimed, attempt, done);
    }
    // On minimum hold the holder is there for those who know no watermark; to us it is free.
    let busy = held.filter(|held| !ours(held) && state.by.as_ref() != Some(held));
    let running = |state: &State, holder: String| {
        let running = Claimed::Running {
            holder,
            ttl: state.ttl(now),
            tick: state.claimed,
        };
        (Write::Keep, running)
    };
    if let Some(claimed) = state.claimed.filter(|&claimed| claimed > done) {
        if let Some(held) = busy {
            return running(state, held);
        }
        // Its holder died or gave it up.
        if at_most_once || wall.saturating_sub(claimed) > grace {
            return too_late(claimed);
        }
        let attempt = state.attempt + 1;
        return take(state, claimed, attempt, done);
    }
    if request.tick <= done {
        return (Write::Keep, Claimed::AlreadyDone { done });
    }
    if request.tick > wall + request.max_skew.as_millis() as u64 {
        return (Write::Keep, Claimed::ClockAhead { now: wall });
    }
    if wall.saturating_sub(request.tick) > grace {
        return too_late(request.tick);
    }
    if let Some(held) = busy {
        return running(state, held);
    }
    take(state, request.tick, 1, done)
}

impl fmt::Debug for HostStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostStore")
            .field("folder", &self.folder())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

// ===== hints =====

#[derive(Debug)]
struct Poll {
    heard: watch::Sender<u64>,
    task: tokio::task::AbortHandle,
}

impl Poll {
    fn start(path: PathBuf) -> Self {
        let heard = watch::Sender::new(0);
        let tell = heard.clone();
        let task = tokio::spawn(async move {
            let mut last = files::stamp(&path);
            loop {
                tokio::time::sleep(HINT_POLL).await;
                let stamp = files::stamp(&path);
                // A renewal changes the file as well; a release leaves no holder.
                if stamp != last && files::is_free(&path) {
                    tell.send_modify(|count| *count += 1);
                }
                last = stamp;
            }
        })
        .abort_handle();
        Self { heard, task }
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
