//! Several sources as one, for a service that is called by several others.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::Poll;

use super::refresh::KeyRefresh;
use super::set::KeySet;
use super::source::KeySource;

/// Several sources as one: the keys of all of them.
///
/// Each service of a fleet publishes a set of its own, and one that is called by several others
/// verifies against all of their sets. Bind the keys of each, or one publisher could name the
/// others.
///
/// While one of the sources has no keys, the keys of the others count. A token that none of them
/// made is then answered with 503 and not with 401, because the missing keys might have made it.
///
/// ```
/// use civic_auth::{KeySet, KeySources, Secret, SharedKeySet, TokenVerifier};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let fixed = KeySet::from(Secret::new("0123456789abcdef0123456789abcdef")?);
/// let billing = SharedKeySet::new(KeySet::default());
/// let keys = KeySources::new()
///     .with_source(std::sync::Arc::new(fixed))
///     .with_source(billing);
/// let verifier = TokenVerifier::from_source(keys);
/// # let _ = verifier;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct KeySources {
    sources: Vec<Arc<dyn KeySource>>,
    joined: RwLock<Joined>,
}

/// The sets of the sources when they were last looked at, and what became of them.
#[derive(Default)]
struct Joined {
    parts: Vec<Option<Arc<KeySet>>>,
    keys: Option<Arc<KeySet>>,
}

impl KeySources {
    /// Creates a source without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the keys of another source.
    #[must_use]
    pub fn with_source(mut self, source: impl KeySource + 'static) -> Self {
        self.sources.push(Arc::new(source));
        self.joined = RwLock::default();
        self
    }
}

impl KeySource for KeySources {
    fn current(&self) -> Option<Arc<KeySet>> {
        let joined = self.joined.read().unwrap_or_else(PoisonError::into_inner);
        let is_same = joined.parts.len() == self.sources.len()
            && (self.sources.iter().zip(&joined.parts))
                .all(|(source, part)| is_same(source.current().as_ref(), part.as_ref()));
        if is_same {
            return joined.keys.clone();
        }
        drop(joined);
        // What the sources say meanwhile is looked at by the next request.
        let parts: Vec<_> = self.sources.iter().map(KeySource::current).collect();
        let joined = Joined::new(parts);
        let keys = joined.keys.clone();
        *self.joined.write().unwrap_or_else(PoisonError::into_inner) = joined;
        keys
    }

    /// Asks every source: which of them would have the key is not known.
    fn refresh(&self) -> Option<KeyRefresh> {
        let mut looking: Vec<KeyRefresh> =
            self.sources.iter().filter_map(KeySource::refresh).collect();
        if looking.is_empty() {
            return None;
        }
        Some(KeyRefresh::new(poll_fn(move |cx| {
            looking.retain_mut(|refresh| Pin::new(refresh).poll(cx).is_pending());
            if looking.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })))
    }
}

impl fmt::Debug for KeySources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySources")
            .field("sources", &self.sources.len())
            .field("keys", &self.current())
            .finish()
    }
}

// ===== impl Joined =====

impl Joined {
    fn new(parts: Vec<Option<Arc<KeySet>>>) -> Self {
        let mut present = parts.iter().flatten().peekable();
        let keys = present.peek().is_some().then(|| {
            let keys: KeySet = present.flat_map(|part| part.iter()).cloned().collect();
            let is_whole = parts.iter().flatten().all(|part| part.is_whole())
                && parts.iter().all(Option::is_some);
            Arc::new(if is_whole {
                keys
            } else {
                keys.with_keys_missing()
            })
        });
        Self { parts, keys }
    }
}

/// Returns whether both are the same set, and not only equal ones.
fn is_same(one: Option<&Arc<KeySet>>, other: Option<&Arc<KeySet>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
