//! Tells an observer of one peer.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use tokio::time::Instant;

use crate::observe::breaker::{BreakerEvent, BreakerState};
use crate::observe::observer::Observer;
use crate::observe::pool::{PoolChange, PoolEvent};

/// Tells an observer, if there is one, of one peer.
#[derive(Clone)]
pub(crate) struct Teller {
    authority: Authority,
    observer: Option<Arc<dyn Observer>>,
}

/// An open connection. When it is dropped, the observer is told that it has ended.
#[derive(Debug)]
pub(crate) struct Opened {
    teller: Teller,
    address: SocketAddr,
}

impl Teller {
    pub(crate) fn new(authority: &Authority, observer: Option<&Arc<dyn Observer>>) -> Self {
        Self {
            authority: authority.clone(),
            observer: observer.cloned(),
        }
    }

    fn pool(&self, address: Option<SocketAddr>, change: PoolChange) {
        if let Some(observer) = &self.observer {
            observer.pool_changed(&PoolEvent::new(&self.authority, address, change));
        }
    }

    pub(crate) fn breaker(&self, address: IpAddr, state: BreakerState) {
        if let Some(observer) = &self.observer {
            observer.breaker_changed(&BreakerEvent::new(&self.authority, Some(address), state));
        }
    }

    /// Tells that a request has waited since `start` for others to end.
    pub(crate) fn waited(&self, start: Instant) {
        let took = start.elapsed();
        self.pool(None, PoolChange::Waited { took });
    }

    /// Tells that a connection was opened, since `start`; and that it has ended, when what is
    /// returned is dropped.
    pub(crate) fn opened(&self, address: SocketAddr, start: Instant) -> Opened {
        let took = start.elapsed();
        self.pool(Some(address), PoolChange::Opened { took });
        Opened {
            teller: self.clone(),
            address,
        }
    }

    /// Tells that no connection could be opened within this time.
    pub(crate) fn not_opened(&self, took: Duration) {
        self.pool(None, PoolChange::NotOpened { took });
    }
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.teller.pool(Some(self.address), PoolChange::Closed);
    }
}
