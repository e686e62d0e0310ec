//! Where requests for one address wait for a connection.

use std::sync::Arc;

use tokio::sync::futures::Notified;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};

/// One address of a peer, where requests wait for a connection.
#[derive(Debug, Default)]
pub(in crate::transport) struct Place {
    /// Held by the one who opens a connection, for all of them.
    turn: Arc<Mutex<()>>,
    freed: Notify,
}

impl Place {
    /// Waits until no one else is opening a connection.
    pub(in crate::transport) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Ends when there is room for another exchange, or something else has changed, from now on.
    pub(in crate::transport) fn room(&self) -> Notified<'_> {
        self.freed.notified()
    }

    /// Tells one who waits that an exchange has ended.
    pub(super) fn freed(&self) {
        self.freed.notify_one();
    }

    /// Tells all who wait that something has changed.
    pub(super) fn changed(&self) {
        self.freed.notify_waiters();
    }
}
