//! What the handles of a source and its task share.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use civic_auth::{KeyRefresh, KeySet};
use http::HeaderValue;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::event::JwksEvent;
use super::fetch::Fetched;
use super::pace::{self, Pace, Request};
use super::settings::{MAX_WAITING, Settings};
use super::succession::{Held, Known, Succession};
use crate::error::Error;

/// How often an outage is logged.
const LOG_INTERVAL: Duration = Duration::from_secs(3600);

/// The keys, and whether newer ones are being looked for.
#[derive(Debug)]
pub(super) struct Shared {
    settings: Settings,
    state: RwLock<State>,
    pace: Mutex<Pace>,
    /// Wakes the task, which holds it as well.
    wake: Arc<Notify>,
    /// Counts the fetches that have ended.
    looked: watch::Sender<u64>,
    task: OnceLock<AbortHandle>,
}

#[derive(Debug, Default)]
struct State {
    keys: Arc<KeySet>,
    held: Vec<Held>,
    /// The set as it was published last, and its tag.
    published: KeySet,
    etag: Option<HeaderValue>,
    /// When the publisher was last seen to have it.
    confirmed: Option<Instant>,
    failures: u32,
    logged: Option<Instant>,
}

// ===== impl Shared: for requests =====

impl Shared {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: RwLock::default(),
            pace: Mutex::default(),
            wake: Arc::default(),
            looked: watch::Sender::new(0),
            task: OnceLock::new(),
        }
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the keys, unless there are none or they are too old.
    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        self.look(|state| state.current(self.settings.max_stale))
    }

    /// Returns how long ago the publisher was last seen to have the keys.
    pub(super) fn age(&self) -> Option<Duration> {
        self.look(|state| state.confirmed).map(|at| at.elapsed())
    }

    /// Has the set fetched because of a token, if it is not too soon.
    pub(super) fn request(&self) -> Option<KeyRefresh> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let fetches = match pace.request(Instant::now()) {
            Request::TooSoon => return None,
            Request::Begins => {
                self.wake.notify_one();
                1
            }
            Request::Joins => 1,
            Request::Follows => 2,
        };
        if self.looked.receiver_count() >= MAX_WAITING {
            return None;
        }
        let mut looked = self.looked.subscribe();
        let end = *looked.borrow() + fetches;
        Some(KeyRefresh::new(async move {
            // Fails if the source was dropped, which ends the wait as well.
            let _ = looked.wait_for(|count| *count >= end).await;
        }))
    }

    /// Returns what changes when a fetch has ended.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.looked.subscribe()
    }

    fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }
}

// ===== impl Shared: for the task =====

impl Shared {
    pub(super) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Has the task end with the last handle.
    pub(super) fn own(&self, task: AbortHandle) {
        // Set once, by who has spawned it.
        let _ = self.task.set(task);
    }

    /// Returns whether a token has caused a fetch that has not begun yet.
    pub(super) fn is_requested(&self) -> bool {
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.is_requested()
    }

    /// Takes note that a fetch begins, and returns the tag of the set that is there.
    pub(super) fn begin(&self) -> Option<HeaderValue> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.begin(Instant::now());
        drop(pace);
        self.look(|state| state.etag.clone())
    }

    /// Takes over what a fetch has found, wakes the requests that wait for it, and returns when to
    /// fetch again.
    pub(super) fn end(&self, fetched: Result<Fetched, Error>) -> Duration {
        let wait = match fetched {
            Ok(Fetched::Unchanged { max_age }) => {
                self.accept(None);
                pace::after_success(max_age, self.settings.refresh_every)
            }
            Ok(Fetched::Set {
                keys,
                etag,
                max_age,
            }) => {
                let Settings {
                    issuer, profile, ..
                } = &self.settings;
                let keys = keys.bound_to(Arc::clone(issuer), *profile);
                self.accept(Some((keys, etag)));
                pace::after_success(max_age, self.settings.refresh_every)
            }
            Err(error) => self.fail(&error),
        };
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.end();
        if pace.is_requested() {
            self.wake.notify_one();
        }
        self.looked.send_modify(|count| *count += 1);
        wait
    }

    /// Takes over a set, or confirms the one that is there.
    fn accept(&self, published: Option<(KeySet, Option<HeaderValue>)>) {
        let now = Instant::now();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((keys, etag)) = published {
            state.published = keys;
            state.etag = etag;
        }
        let known = Known {
            keys: &state.keys,
            held: &state.held,
            confirmed: state.confirmed.unwrap_or(now),
        };
        let mut next = Succession::new(known, &state.published, now, self.settings.max_stale);
        // An unchanged set stays the same value, so that nothing that is made of it is made again.
        if next.is_change() {
            state.keys = Arc::new(std::mem::take(&mut next.keys));
        }
        state.held = std::mem::take(&mut next.held);
        state.confirmed = Some(now);
        let failures = std::mem::take(&mut state.failures);
        state.logged = None;
        drop(state);
        self.report(&next, failures);
    }

    fn report(&self, next: &Succession, failures: u32) {
        let issuer = &*self.settings.issuer;
        for id in &next.changed {
            tracing::warn!(
                issuer,
                kid = id,
                "a key has changed under its id, and the new one is not used: publish it under a \
                 new id"
            );
            self.settings.tell(&JwksEvent::KeyChanged { id });
        }
        if next.is_change() {
            tracing::info!(
                issuer,
                added = ?next.added,
                removed = ?next.removed,
                "the keys of a key set have changed"
            );
            self.settings.tell(&JwksEvent::Replaced {
                added: &next.added,
                removed: &next.removed,
            });
        } else {
            self.settings.tell(&JwksEvent::Confirmed);
        }
        if failures > 0 {
            tracing::info!(issuer, failures, "a key set could be fetched again");
        }
    }

    fn fail(&self, error: &Error) -> Duration {
        let now = Instant::now();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        let failures = state.failures;
        let has_keys = state.current(self.settings.max_stale).is_some();
        let is_due = state
            .logged
            .is_none_or(|logged| now.saturating_duration_since(logged) >= LOG_INTERVAL);
        if is_due {
            state.logged = Some(now);
        }
        let age = state.confirmed.map(|at| at.elapsed().as_secs());
        drop(state);
        let issuer = &*self.settings.issuer;
        match (is_due, has_keys) {
            (true, true) => tracing::warn!(
                issuer,
                failures,
                age_seconds = age,
                error = chain(error),
                "a key set cannot be fetched: the keys stay as they were"
            ),
            (true, false) => tracing::error!(
                issuer,
                failures,
                age_seconds = age,
                error = chain(error),
                "a key set cannot be fetched, and there are no keys: requests are answered with 503"
            ),
            (false, _) => {}
        }
        self.settings.tell(&JwksEvent::Failed { error, failures });
        pace::after_failure(failures, error, has_keys)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

// ===== impl State =====

impl State {
    fn current(&self, max_stale: Duration) -> Option<Arc<KeySet>> {
        let is_fresh = self.confirmed?.elapsed() < max_stale;
        // Without a key, a caller's token could not be told from a forged one.
        (is_fresh && self.keys.iter().next().is_some()).then(|| Arc::clone(&self.keys))
    }
}

/// Writes an error and its causes on one line.
fn chain(error: &Error) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
