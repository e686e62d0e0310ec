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
    pub(super) without_fence: WithoutFence,
}

/// What becomes of a request without a fence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WithoutFence {
    LetIn,
    Refuse,
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
            without_fence: WithoutFence::LetIn,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("admissions", &self.admissions)
            .field("retry_after", &self.retry_after)
            .field("without_fence", &self.without_fence)
            .finish_non_exhaustive()
    }
}
