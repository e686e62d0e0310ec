//! Release hints: a lock may be free now.

use std::fmt;
use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

/// The release hints for one name. Dropping it ends the subscription.
#[derive(Debug)]
pub(crate) struct Hints {
    received: watch::Receiver<u64>,
    /// Ends the subscription when the last one for the name is dropped.
    _subscription: Arc<dyn fmt::Debug + Send + Sync>,
}

impl Hints {
    pub(crate) fn new(
        received: watch::Receiver<u64>,
        subscription: Arc<dyn fmt::Debug + Send + Sync>,
    ) -> Self {
        Self {
            received,
            _subscription: subscription,
        }
    }

    /// Waits for the next hint. Hints that came since the last call count as one.
    ///
    /// It never returns if none comes: a hint can be lost, so poll as well.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a hint that was not returned is returned by the next call.
    pub(crate) async fn next(&mut self) {
        if self.received.changed().await.is_err() {
            // The store is gone. The caller has a timer as well.
            pending::<()>().await;
        }
    }
}
