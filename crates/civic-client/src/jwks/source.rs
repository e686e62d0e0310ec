//! The source: the handle that a verifier holds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use civic_auth::{KeyRefresh, KeySet, KeySource};

use super::shared::Shared;

/// The keys of one issuer, fetched over HTTP and followed. Made by
/// [`JwksSourceBuilder`](super::JwksSourceBuilder).
///
/// Give it to [`TokenVerifier::from_source`](civic_auth::TokenVerifier::from_source), or add it to
/// [`KeySources`](civic_auth::KeySources). It is cheap to clone, and clones are the same source.
/// The [module's documentation](super) says what it promises.
#[derive(Clone)]
pub struct JwksSource {
    shared: Arc<Shared>,
}

/// A source has no keys: every token of its issuer is answered with 503.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NoKeys {
    issuer: Arc<str>,
    age: Option<Duration>,
}

// ===== impl JwksSource =====

impl JwksSource {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Waits until there are keys.
    ///
    /// A service that awaits it before it listens answers no request with 503 because it has just
    /// started, and does not start without its publisher: give the wait a timeout where it should.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped at any time.
    pub async fn ready(&self) {
        let mut looked = self.shared.subscribe();
        while self.current().is_none() {
            if looked.changed().await.is_err() {
                return;
            }
        }
    }

    /// Checks that there are keys, for the readiness of a service.
    ///
    /// # Errors
    ///
    /// [`NoKeys`] before the first set has arrived, and when the set is too old.
    pub fn check(&self) -> Result<(), NoKeys> {
        match self.current() {
            Some(_) => Ok(()),
            None => Err(NoKeys {
                issuer: Arc::clone(&self.shared.settings().issuer),
                age: self.age(),
            }),
        }
    }

    /// Returns how long ago the publisher was last seen to have these keys; `None` if it never was.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.shared.age()
    }

    /// Returns the issuer for which the keys speak.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.shared.settings().issuer
    }
}

impl KeySource for JwksSource {
    fn current(&self) -> Option<Arc<KeySet>> {
        self.shared.current()
    }

    fn refresh(&self) -> Option<KeyRefresh> {
        self.shared.request()
    }
}

impl fmt::Debug for JwksSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksSource")
            .field("settings", self.shared.settings())
            .field("keys", &self.current())
            .field("age", &self.age())
            .finish()
    }
}

// ===== impl NoKeys =====

impl fmt::Display for NoKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = &self.issuer;
        match self.age {
            None => write!(
                f,
                "the keys of {issuer} have not been fetched yet: check that its key set can be \
                 reached"
            ),
            Some(age) => write!(
                f,
                "the keys of {issuer} were last fetched {} hours ago, which is too long: check that \
                 its key set can be reached",
                age.as_secs() / 3600
            ),
        }
    }
}

impl std::error::Error for NoKeys {}
