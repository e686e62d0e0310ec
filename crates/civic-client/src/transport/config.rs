//! How connections are made and kept.

use std::time::Duration;

/// How connections are made and kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TransportConfig {
    pub(super) connect_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_idle: usize,
}

impl TransportConfig {
    /// Creates a configuration with the defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(4),
            max_idle: 32,
        }
    }

    /// Sets how long connecting may take.
    ///
    /// Defaults to 3 s.
    #[must_use]
    pub const fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long an idle connection stays usable.
    ///
    /// It has to be shorter than the time for which the peer keeps the connection open.
    ///
    /// Defaults to 4 s.
    #[must_use]
    pub const fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets how many idle connections are kept per host.
    ///
    /// Defaults to 32.
    #[must_use]
    pub const fn with_max_idle(mut self, connections: usize) -> Self {
        self.max_idle = connections;
        self
    }
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self::new()
    }
}
