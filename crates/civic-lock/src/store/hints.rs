//! Release hints: somebody may have let go of a lock.

use std::fmt;
use std::sync::Arc;

/// Release hints for one name. Dropping it ends the subscription.
#[derive(Debug)]
pub(crate) struct Hints {
    received: tokio::sync::watch::Receiver<u64>,
    /// Ends the subscription when the last one for the name is dropped.
    _subscription: Arc<dyn fmt::Debug + Send + Sync>,
}

impl Hints {
    pub(crate) fn new(
        received: tokio::sync::watch::Receiver<u64>,
        subscription: Arc<dyn fmt::Debug + Send + Sync>,
    ) -> Self {
        Self {
            received,
            _subscription: subscription,
        }
    }

    /// The next hint; hints that came since the last call count as one. Never returns when none
    /// comes. Cancel safe.
    pub(crate) async fn next(&mut self) {
        if self.received.changed().await.is_err() {
            // The store is gone. Whoever waits has a timer as well.
            std::future::pending::<()>().await;
        }
    }
}
