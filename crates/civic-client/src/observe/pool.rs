//! What an observer is told of the connections to a peer.

use std::net::SocketAddr;
use std::time::Duration;

use http::uri::Authority;

/// Something has happened to the connections to a peer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PoolEvent<'a> {
    /// Which peer they lead to, `host[:port]`.
    pub authority: &'a Authority,
    /// The address, as far as there is one.
    pub address: Option<SocketAddr>,
    /// What has happened.
    pub change: PoolChange,
}

impl<'a> PoolEvent<'a> {
    /// Creates the event that a pool tells, for a transport of your own.
    #[must_use]
    pub const fn new(
        authority: &'a Authority,
        address: Option<SocketAddr>,
        change: PoolChange,
    ) -> Self {
        Self {
            authority,
            address,
            change,
        }
    }
}

/// What has happened to the connections to a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PoolChange {
    /// A connection was opened.
    Opened {
        /// How long that took.
        took: Duration,
    },
    /// No connection could be opened.
    NotOpened {
        /// How long it was tried.
        took: Duration,
    },
    /// A connection that was opened has ended, whichever side closed it.
    Closed,
    /// A request has waited until there were fewer others under way to this peer.
    Waited {
        /// How long it has waited.
        took: Duration,
    },
}
