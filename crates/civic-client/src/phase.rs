//! How far an attempt has come.

use std::fmt;

/// How far an attempt has come.
///
/// [`Error::phase`](crate::Error::phase) says in which phase an attempt ended that ran out of time.
/// The phases are ordered: an attempt goes through them from the first to the last. A request that
/// goes out on a connection that is open already begins with [`Sending`](Self::Sending).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Phase {
    /// The name of the peer is being resolved to an address. Nothing was sent.
    Resolving,
    /// A connection is being waited for or opened. Nothing was sent.
    Connecting,
    /// The request was handed to a connection. Some of it may have reached the peer.
    Sending,
    /// The request was written, and the head of the response has not arrived.
    Waiting,
    /// The head of the response has arrived, and its body has not ended.
    Body,
}

impl Phase {
    /// Returns a stable name in `snake_case`, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolving => "resolving",
            Self::Connecting => "connecting",
            Self::Sending => "sending",
            Self::Waiting => "waiting",
            Self::Body => "body",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
