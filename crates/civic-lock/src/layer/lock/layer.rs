//! The layer, which wraps each service in a [`Lock`](super::Lock).

use std::sync::Arc;
use std::time::Duration;

use civic_envelope::CorrelationId;
use http::request::Parts;
use tower_layer::Layer;

use crate::error::Error;
use crate::layer::lock::service::Lock;
use crate::layer::lock::settings::Settings;
use crate::service::LockService;

/// Lets one request per key in.
///
/// See the [module documentation](super) for how requests are answered.
#[derive(Clone, Debug)]
pub struct LockLayer {
    settings: Arc<Settings>,
}

impl LockLayer {
    /// Creates a layer that locks by `key`, with leases of this `ttl`, which renew themselves.
    ///
    /// Braces, control characters and `%` in a key are percent-encoded, so that every key is a lock
    /// name and different keys stay different. A request whose encoded key is longer than a name
    /// may be is answered with `400`. Begin keys with a prefix that distinguishes them from the
    /// names of other locks.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Config`](crate::ErrorKind::Config) if the ttl is not 500 ms to 7 days.
    pub fn new(
        locks: &LockService,
        ttl: Duration,
        key: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Ok(Self {
            settings: Arc::new(Settings::new(locks, ttl, key)?),
        })
    }

    /// Sets what `Retry-After` says to requests that are refused, in whole seconds, rounded up.
    ///
    /// Defaults to 1 s. (The ttl is no better guess: it is renewed for as long as the request
    /// runs.)
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        Arc::make_mut(&mut self.settings).retry_after = after;
        self
    }

    /// Sets where the correlation id of the error body comes from.
    ///
    /// Defaults to [`CorrelationId::of_request`]: the id in the request's extensions, or else in
    /// its `x-correlation-id` header.
    #[must_use]
    pub fn with_correlation_id(
        mut self,
        of: impl Fn(&Parts) -> Option<CorrelationId> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.settings).correlation_id = Arc::new(of);
        self
    }
}

impl<S> Layer<S> for LockLayer {
    type Service = Lock<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Lock::with_settings(inner, self.settings.clone())
    }
}
