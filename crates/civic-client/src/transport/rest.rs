//! Until when a connection is kept that carries no request.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::transport::later::later;

/// The least time between two looks.
const GRAIN: Duration = Duration::from_millis(10);

/// Until when a connection is kept that carries no request.
///
/// The connection notes it for each request, and the task that drives the connection looks at it
/// when the time may have come. Telling the task each time would cost a call more than all else
/// that its connection does.
#[derive(Debug)]
pub(super) struct Rest {
    /// From when on the connection takes no further request.
    retired: Instant,
    /// `None` while it carries a request.
    until: Mutex<Option<Instant>>,
}

/// What the task that drives a connection finds when it looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Look {
    /// It was idle for too long.
    Over,
    /// It cannot have been idle for too long before then.
    Again(Instant),
}

// ===== impl Rest =====

impl Rest {
    /// Creates that of a connection that is about to carry its first request.
    pub(super) const fn new(retired: Instant) -> Self {
        Self {
            retired,
            until: Mutex::new(None),
        }
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the connection is idle from now on, and until when it is kept.
    pub(super) fn begin(&self, until: Instant) {
        *self.until() = Some(until);
    }

    /// Notes that it is about to carry a request.
    pub(super) fn end(&self) {
        *self.until() = None;
    }

    /// Looks whether the connection was idle for too long; it may be for `idle_timeout`.
    pub(super) fn look(&self, idle_timeout: Duration) -> Look {
        let now = Instant::now();
        match *self.until() {
            Some(until) if until <= now => Look::Over,
            Some(until) => Look::Again(until),
            // The request may end at once.
            None => {
                let earliest = later(now, idle_timeout.max(GRAIN));
                Look::Again(if self.retired > now {
                    earliest.min(self.retired)
                } else {
                    earliest
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_looked_at_no_later_than_when_it_may_have_been_idle_for_too_long() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let rest = Rest::new(start + 9 * second);
        assert_eq!(rest.look(4 * second), Look::Again(start + 4 * second));
        tokio::time::advance(3 * second).await;
        rest.begin(start + 7 * second);
        tokio::time::advance(second).await;
        assert_eq!(rest.look(4 * second), Look::Again(start + 7 * second));
        rest.end();
        // It is retired earlier than it could be idle for too long.
        tokio::time::advance(2 * second).await;
        assert_eq!(rest.look(4 * second), Look::Again(start + 9 * second));
        rest.begin(start + 9 * second);
        tokio::time::advance(3 * second).await;
        assert_eq!(rest.look(4 * second), Look::Over);
        // A request that lasts longer than its connection may be used is not disturbed.
        rest.end();
        assert_eq!(rest.look(4 * second), Look::Again(start + 13 * second));
        assert_eq!(
            rest.look(Duration::ZERO),
            Look::Again(start + 9 * second + GRAIN)
        );
    }
}
