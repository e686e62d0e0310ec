//! What is known about whether the peer received a request.

use http::StatusCode;

/// What is known about whether the peer received a request.
///
/// The retry policy goes by it: a request that was never sent may be sent again whatever its
/// method; one that may have been executed may not.
/// [`Error::transmission`](crate::Error::transmission) returns it.
///
/// Exhaustive on purpose: a request was not sent, or was answered, or neither is known. There is no
/// fourth case, and code that decides about a retry should handle each of them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Transmission {
    /// The peer certainly did not receive the request. Sending it again cannot execute it twice.
    NotSent,
    /// The peer may have received the request, and may have executed it.
    Unknown,
    /// The peer received the request and answered with this status.
    Answered(StatusCode),
}
