//! The layer, which wraps each service in a [`Fence`](super::Fence).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use civic_envelope::CorrelationId;
use http::request::Parts;
use tower_layer::Layer;

use crate::layer::fence::admission::{Admissions, Memory};
use crate::layer::fence::service::Fence;
use crate::layer::fence::settings::Settings;
use crate::name::LockName;
use crate::service::LockService;

/// Refuses requests whose fences are older than those of a later holder.
///
/// See the [module documentation](super) for the rules and an example.
#[derive(Clone, Debug)]
pub struct FenceLayer {
    settings: Arc<Settings>,
}

impl FenceLayer {
    /// Creates a layer that remembers fences in the store of `locks`, for all replicas.
    ///
    /// `accepts` says whether a route knows the lock that a request names. Accept few names, and
    /// none that a caller can make up: each is remembered for 400 days.
    #[must_use]
    pub fn new(
        locks: &LockService,
        accepts: impl Fn(&Parts, &LockName) -> bool + Send + Sync + 'static,
    ) -> Self {
        let settings = Settings::new(Admissions::Store(locks.clone()), accepts);
        Self {
            settings: Arc::new(settings),
        }
    }

    /// Creates a layer that remembers fences in this process only.
    ///
    /// Right only if the service never runs as more than one replica, and if what it protects ends
    /// with the process: after a restart the layer has seen no fence.
    #[must_use]
    pub fn single_replica(
        accepts: impl Fn(&Parts, &LockName) -> bool + Send + Sync + 'static,
    ) -> Self {
        let settings = Settings::new(Admissions::Memory(Memory::new()), accepts);
        Self {
            settings: Arc::new(settings),
        }
    }

    /// Refuses requests without the fence of the lock that `of` returns, with `400`, whatever other
    /// fences they have. A request for which it returns `None` is refused as well.
    ///
    /// That a route accepts a lock does not make it the right one: a request about one account must
    /// not pass with the fence of another.
    ///
    /// Defaults to letting requests without a fence in.
    #[must_use]
    pub fn require_fence(
        mut self,
        of: impl Fn(&Parts) -> Option<LockName> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.settings).required = Some(Arc::new(of));
        self
    }

    /// Sets the clock of a [`single_replica`](Self::single_replica). A store has its own.
    ///
    /// Defaults to the clock of the system.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        if let Admissions::Memory(memory) = &settings.admissions {
            settings.admissions = Admissions::Memory(memory.clone().with_clock(clock));
        }
        self
    }

    /// Sets what `Retry-After` says to requests that were not taken because the store could not be
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

impl<S> Layer<S> for FenceLayer {
    type Service = Fence<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Fence::with_settings(inner, self.settings.clone())
    }
}
