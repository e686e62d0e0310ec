//! What the layer is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use crate::service::LockService;

pub(super) type FromHead = dyn Fn(&Parts) -> Option<String> + Send + Sync;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) locks: LockService,
    pub(super) ttl: Duration,
    pub(super) key: Arc<FromHead>,
    pub(super) correlation_id: Arc<FromHead>,
    pub(super) retry_after: Duration,
}

impl Settings {
    pub(super) fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("locks", &self.locks)
            .field("ttl", &self.ttl)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}
