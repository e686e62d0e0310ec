//! A call that cannot be made in the user's name any more.

use std::fmt;

/// The error of a call whose credentials have expired before it was made.
///
/// The transaction token of the request that is being served has expired. Without it the call would
/// be the service's own, which may do more than the user may, so it is not made. Nothing was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MissingCredentials(());

impl MissingCredentials {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for MissingCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the transaction token of the request being served has expired, so the call was not \
             sent: make the call earlier, or outside of the request's context",
        )
    }
}

impl std::error::Error for MissingCredentials {}
