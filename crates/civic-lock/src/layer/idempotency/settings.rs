//! The settings of the layer.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use civic_envelope::CorrelationId;
use http::request::Parts;

use crate::durability::Durability;
use crate::layer::idempotency::scope::Scope;
use crate::service::LockService;

/// The settings of the layer.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) locks: LockService,
    pub(super) scope: Arc<dyn Fn(&Parts) -> Option<Scope> + Send + Sync>,
    pub(super) spawn: Arc<dyn Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync>,
    pub(super) correlation_id: Arc<dyn Fn(&Parts) -> Option<CorrelationId> + Send + Sync>,
    pub(super) retry_after: Duration,
    durability_told: Arc<AtomicBool>,
    pub(super) timeout: Duration,
    pub(super) without_key: WithoutKey,
}

/// What becomes of a request without a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WithoutKey {
    LetIn,
    Refuse,
}

impl Settings {
    pub(super) fn new(
        locks: &LockService,
        scope: impl Fn(&Parts) -> Option<Scope> + Send + Sync + 'static,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            locks: locks.clone(),
            scope: Arc::new(scope),
            spawn: Arc::new(spawn),
            correlation_id: Arc::new(|head: &Parts| {
                CorrelationId::of_request(&head.headers, &head.extensions)
            }),
            retry_after: Duration::from_secs(1),
            durability_told: Arc::default(),
            timeout: Duration::from_secs(60),
            without_key: WithoutKey::LetIn,
        }
    }

    /// Warns once if the store may lose the record of an effect.
    pub(super) async fn warn_of_lost_writes(&self) {
        if self.durability_told.load(Ordering::Relaxed) {
            return;
        }
        let durability = self.locks.durability().await;
        if self.durability_told.swap(true, Ordering::Relaxed) || durability == Durability::Kept {
            return;
        }
        tracing::warn!(
            durability = durability.as_str(),
            "the lock store may lose writes that it has acknowledged: after a crash or a failover, \
             a request with an Idempotency-Key may be carried out twice. Set appendonly yes and \
             appendfsync always, or replica_acks"
        );
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("locks", &self.locks)
            .field("retry_after", &self.retry_after)
            .field("timeout", &self.timeout)
            .field("without_key", &self.without_key)
            .finish_non_exhaustive()
    }
}
