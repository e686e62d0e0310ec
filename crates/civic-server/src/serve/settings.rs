//! The bounds of a server, and the steps of its end.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::serve::timeouts::Timeouts;
#[cfg(feature = "tls")]
use crate::serve::tls::Tls;
use crate::shutdown::Shutdown;

/// What every connection of a server has in common.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) timeouts: Timeouts,
    pub(super) max_head_bytes: usize,
    pub(super) drain_delay: Duration,
    pub(super) drain_limit: Duration,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Tls>,
}

/// The steps of a server's end, as its connections are told of them.
#[derive(Clone, Debug)]
pub(super) struct Phases {
    /// Each answer is the last of its connection.
    pub(super) shutdown: Shutdown,
    /// No more requests are read.
    pub(super) closing: CancellationToken,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            // Node's.
            max_head_bytes: 16 * 1024,
            // Longer than the usual clients keep an idle connection: 4 s.
            drain_delay: Duration::from_secs(5),
            // Longer than an attempt of a client of this platform, 10 s; together with the delay
            // less than the 30 s that Kubernetes waits.
            drain_limit: Duration::from_secs(15),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}
