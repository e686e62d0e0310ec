//! Why a peer could not be reached.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use crate::error::Error;
use crate::error_kind::ErrorKind;

/// The peer has no address.
pub(super) fn no_address() -> Error {
    unconnected(io::Error::new(
        io::ErrorKind::NotFound,
        "the name has no address",
    ))
}

/// The peer could not be `what` within `limit`.
pub(super) fn too_slow(what: &str, limit: Duration) -> Error {
    let text = format!("the peer could not be {what} within {limit:?}");
    unconnected(io::Error::new(io::ErrorKind::TimedOut, text))
}

/// The request was never sent, because of `cause`.
pub(super) fn unconnected(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Connect).with_source(cause)
}
