//! Instants that may be too far away to be represented.

use std::time::Duration;

use tokio::time::Instant;

/// `now + wait`, or the far future if that cannot be represented.
pub(super) fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait)
        .unwrap_or(now + Duration::from_secs(86_400 * 365 * 30))
}
