//! How a set that was fetched replaces the present one.
//!
//! The new set replaces the present one as a whole, with one exception: a key that has another
//! material than the one that is known under its id is not believed. The known one is *held* in its
//! place until it has not been published for too long; then there is no key of that id at all.

use std::time::Duration;

use civic_auth::{KeySet, VerifyingKey};
use tokio::time::Instant;

/// A key that is not published any more, while another one is under its id.
#[derive(Clone, Debug)]
pub(super) struct Held {
    key: VerifyingKey,
    /// When it was last published.
    since: Instant,
}

/// What is known before a set is fetched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) keys: &'a KeySet,
    pub(super) held: &'a [Held],
    /// When `keys` were last published.
    pub(super) confirmed: Instant,
}

/// What becomes of the keys.
#[derive(Debug, Default)]
pub(super) struct Succession {
    pub(super) keys: KeySet,
    pub(super) held: Vec<Held>,
    /// The names of keys that are new, gone, and held for the first time.
    pub(super) added: Vec<String>,
    pub(super) removed: Vec<String>,
    pub(super) changed: Vec<String>,
}

impl Succession {
    /// Replaces what is known by what is published now. A key that is the same keeps its count of
    /// uses.
    pub(super) fn new(
        known: Known<'_>,
        published: &KeySet,
        now: Instant,
        max_stale: Duration,
    ) -> Self {
        let mut this = Self::default();
        let mut keys = Vec::new();
        for key in published.iter() {
            let held = known.held.iter().find(|held| {
                let id = held.key.id();
                id.is_some() && id == key.id()
            });
            let before = match held {
                Some(held) => Some((&held.key, held.since)),
                None => known
                    .keys
                    .iter()
                    .find(|other| {
                        other.id() == key.id() && (key.id().is_some() || is_same(other, key))
                    })
                    .map(|other| (other, known.confirmed)),
            };
            match before {
                None => keys.push(key.clone()),
                Some((before, _)) if is_same(before, key) => keys.push(before.clone()),
                Some((before, since)) => {
                    if now.saturating_duration_since(since) < max_stale {
                        keys.push(before.clone());
                    }
                    if held.is_none() {
                        this.changed.push(name(key));
                    }
                    this.held.push(Held {
                        key: before.clone(),
                        since,
                    });
                }
            }
        }
        let before: Vec<&VerifyingKey> = known.keys.iter().collect();
        let after: Vec<&VerifyingKey> = keys.iter().collect();
        this.added = missing(&after, &before);
        this.removed = missing(&before, &after);
        this.keys = keys.into_iter().collect();
        this
    }

    /// Returns whether other keys are accepted than before.
    pub(super) fn is_change(&self) -> bool {
        !self.added.is_empty() || !self.removed.is_empty()
    }
}

/// Returns whether both have the same id and the same material.
fn is_same(one: &VerifyingKey, other: &VerifyingKey) -> bool {
    one.to_jwk() == other.to_jwk()
}

/// Returns the names of those of `keys` that are not among `others`.
fn missing(keys: &[&VerifyingKey], others: &[&VerifyingKey]) -> Vec<String> {
    keys.iter()
        .filter(|key| !others.iter().any(|other| is_same(other, key)))
        .map(|key| name(key))
        .collect()
}

fn name(key: &VerifyingKey) -> String {
    key.id().unwrap_or("-").to_owned()
}
