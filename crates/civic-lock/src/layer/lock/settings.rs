//! The settings of the layer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use civic_envelope::CorrelationId;
use http::request::Parts;

use crate::error::Error;
use crate::service::LockService;
use crate::timing::Ttl;

/// The settings of the layer.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) locks: LockService,
    pub(super) ttl: Duration,
    pub(super) key: Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>,
    pub(super) correlation_id: Arc<dyn Fn(&Parts) -> Option<CorrelationId> + Send + Sync>,
    pub(super) retry_after: Duration,
}

impl Settings {
    pub(super) fn new(
        locks: &LockService,
        ttl: Duration,
        key: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Ttl::new(ttl)?;
        Ok(Self {
            locks: locks.clone(),
            ttl,
            key: Arc::new(key),
            correlation_id: Arc::new(|head: &Parts| {
                CorrelationId::of_request(&head.headers, &head.extensions)
            }),
            retry_after: Duration::from_secs(1),
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("locks", &self.locks)
            .field("ttl", &self.ttl)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}
