//! What the layer was told, shared by its services and futures.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) excluded_paths: Vec<String>,
    /// The limit of the checked mode; `None` streams.
    pub(super) max_checked_bytes: Option<usize>,
    pub(super) clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Settings {
    pub(super) fn excludes(&self, path: &str) -> bool {
        self.excluded_paths.iter().any(|excluded| excluded == path)
    }

    pub(super) fn now(&self) -> SystemTime {
        (self.clock)()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            excluded_paths: vec!["/health".to_owned(), "/health/ready".to_owned()],
            max_checked_bytes: None,
            clock: Arc::new(SystemTime::now),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("excluded_paths", &self.excluded_paths)
            .field("max_checked_bytes", &self.max_checked_bytes)
            .finish_non_exhaustive()
    }
}
