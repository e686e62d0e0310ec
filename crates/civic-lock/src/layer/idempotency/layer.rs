//! The layer, which wraps each service in an [`Idempotency`](super::Idempotency).

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use civic_envelope::CorrelationId;
use http::request::Parts;
use tower_layer::Layer;

use crate::layer::idempotency::scope::Scope;
use crate::layer::idempotency::service::Idempotency;
use crate::layer::idempotency::settings::{Settings, WithoutKey};
use crate::service::LockService;

/// Executes one request per `Idempotency-Key`, and gives its answer to all others.
///
/// See the [module documentation](super) for the rules and an example.
#[derive(Clone, Debug)]
pub struct IdempotencyLayer {
    settings: Arc<Settings>,
}

impl IdempotencyLayer {
    /// Creates a layer that keeps its records in the store of `locks`.
    ///
    /// `scope` computes who shares keys with a request. It is called only for requests with a key.
    ///
    /// `spawn` starts an execution, apart from the request that it belongs to. It is called in the
    /// context of that request, so that it can carry the context over, without a deadline: the
    /// caller may stop waiting before the execution ends. It has to run the future to its end. One
    /// that is dropped leaves the key in doubt.
    #[must_use]
    pub fn new(
        locks: &LockService,
        scope: impl Fn(&Parts) -> Option<Scope> + Send + Sync + 'static,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            settings: Arc::new(Settings::new(locks, scope, spawn)),
        }
    }

    /// Refuses requests without a key with `400`, unless their method is safe.
    ///
    /// Defaults to letting them in.
    #[must_use]
    pub fn require_key(mut self) -> Self {
        Arc::make_mut(&mut self.settings).without_key = WithoutKey::Refuse;
        self
    }

    /// Sets how long an execution may take, its answer included. Then it is dropped, and the key is
    /// in doubt.
    ///
    /// Defaults to 60 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        Arc::make_mut(&mut self.settings).timeout = timeout;
        self
    }

    /// Sets what `Retry-After` says while the first request is running and when the store cannot be
    /// asked, in whole seconds, rounded up.
    ///
    /// Defaults to 1 s.
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

impl<S> Layer<S> for IdempotencyLayer {
    type Service = Idempotency<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Idempotency::with_settings(inner, self.settings.clone())
    }
}
