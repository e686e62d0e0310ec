//! The layer and its settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tower_layer::Layer;

use crate::error::Error;
use crate::layer::service::Lock;
use crate::layer::settings::Settings;
use crate::service::LockService;
use crate::timing::Ttl;

/// Lets one request per key in. See the [module documentation](self).
#[derive(Clone)]
pub struct LockLayer {
    settings: Arc<Settings>,
}

// ===== impl LockLayer =====

impl LockLayer {
    /// Locks by `key`, with leases of this `ttl`, which renew themselves.
    ///
    /// Braces, control characters and `%` in a key are percent-encoded, so that every key is a lock
    /// name and different keys stay different; one that is longer than a name may be is answered
    /// with `400`. Put something in front of it that tells it from the names of other locks.
    ///
    /// # Errors
    ///
    /// The ttl is not one that a lease can have.
    pub fn new(
        locks: &LockService,
        ttl: Duration,
        key: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Ttl::new(ttl)?;
        Ok(Self {
            settings: Arc::new(Settings {
                locks: locks.clone(),
                ttl,
                key: Arc::new(key),
                correlation_id: Arc::new(correlation_id_header),
                retry_after: Duration::from_secs(1),
            }),
        })
    }

    /// What `Retry-After` says to those who are turned away, in whole seconds, rounded up.
    ///
    /// Defaults to 1 s. (The ttl is no better guess: it is renewed as long as the request runs.)
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        Arc::make_mut(&mut self.settings).retry_after = after;
        self
    }

    /// Where the correlation id of the error body comes from.
    ///
    /// Defaults to the request's `x-correlation-id`, if it is 1 to 128 characters of
    /// `[A-Za-z0-9._:-]`.
    #[must_use]
    pub fn correlation_id(
        mut self,
        of: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.settings).correlation_id = Arc::new(of);
        self
    }
}

impl<S> Layer<S> for LockLayer {
    type Service = Lock<S>;

    fn layer(&self, inner: S) -> Lock<S> {
        Lock::new(inner, self.settings.clone())
    }
}

impl fmt::Debug for LockLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.debug("LockLayer", f)
    }
}

fn correlation_id_header(head: &Parts) -> Option<String> {
    let id = head.headers.get("x-correlation-id")?.to_str().ok()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    ((1..=128).contains(&id.len()) && id.chars().all(allowed)).then(|| id.to_owned())
}
