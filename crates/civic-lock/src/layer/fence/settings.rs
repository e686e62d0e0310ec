//! The settings of the layer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use civic_envelope::CorrelationId;
use http::request::Parts;

use crate::layer::fence::admission::Admissions;
use crate::name::LockName;

/// The settings of the layer.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) admissions: Admissions,
    pub(super) accepts: Arc<dyn Fn(&Parts, &LockName) -> bool + Send + Sync>,
    pub(super) correlation_id: Arc<dyn Fn(&Parts) -> Option<CorrelationId> + Send + Sync>,
    pub(super) retry_after: Duration,
    /// The lock whose fence a request must have. `None` lets requests without any in.
    pub(super) required: Option<Arc<dyn Fn(&Parts) -> Option<LockName> + Send + Sync>>,
}

impl Settings {
    pub(super) fn new(
        admissions: Admissions,
        accepts: impl Fn(&Parts, &LockName) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            admissions,
            accepts: Arc::new(accepts),
            correlation_id: Arc::new(|head: &Parts| {
                CorrelationId::of_request(&head.headers, &head.extensions)
            }),
            retry_after: Duration::from_secs(1),
            required: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("admissions", &self.admissions)
            .field("retry_after", &self.retry_after)
            .field("requires_a_fence", &self.required.is_some())
            .finish_non_exhaustive()
    }
}
