//! Why there is no connection.

use crate::error::ErrorKind;

/// Why the last attempt to connect has failed.
#[derive(Clone, Debug)]
pub(crate) struct ConnectFailure {
    pub(crate) kind: ErrorKind,
    /// The server's own words if it has said any; no host, no user and no password.
    pub(crate) detail: String,
}
