//! What an observer is told of a breaker.

use std::net::IpAddr;

use http::uri::Authority;

/// A breaker has changed its state.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BreakerEvent<'a> {
    /// Which peer it is for, `host[:port]`.
    pub authority: &'a Authority,
    /// Which of its addresses the breaker is for; `None` if it is for all of them, as that of an
    /// endpoint is, whose authority is the peer.
    pub address: Option<IpAddr>,
    /// The state that it has now.
    pub state: BreakerState,
}

impl<'a> BreakerEvent<'a> {
    /// Creates the event that a breaker tells, for a breaker of your own.
    #[must_use]
    pub const fn new(
        authority: &'a Authority,
        address: Option<IpAddr>,
        state: BreakerState,
    ) -> Self {
        Self {
            authority,
            address,
            state,
        }
    }
}

/// The state of a breaker.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum BreakerState {
    /// Requests pass.
    Closed,
    /// No request passes.
    Open,
    /// One request passes, to see whether others may.
    Probing,
}

impl BreakerState {
    /// Returns a stable name in `snake_case`, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Probing => "probing",
        }
    }
}
