//! How long a connection waits for its caller.

use std::time::Duration;

/// How long a connection waits for its caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// For the rest of a head, and for a TLS handshake.
    pub(super) head: Duration,
    /// For a request.
    pub(super) idle: Duration,
    /// For the next piece of a body.
    pub(super) body: Duration,
    /// For a caller that does not take what is sent.
    pub(super) write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            // Longer than those of the usual proxies, 60 s, so that it is they who close.
            idle: Duration::from_secs(75),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
        }
    }
}
