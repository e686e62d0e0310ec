//! The token itself, as it is forwarded.

use std::fmt;

use http::{HeaderName, HeaderValue};

use crate::clock::Clock;

/// The header that carries the token.
pub(crate) const TXN_TOKEN: HeaderName = HeaderName::from_static("txn-token");

/// A token that was minted or admitted here, to be forwarded unchanged.
#[derive(Clone)]
pub(crate) struct Transaction {
    pub(super) header: HeaderValue,
    pub(super) expires_at: u64,
    pub(super) clock: Clock,
}

impl Transaction {
    /// Returns the header's value, or `None` once the token has expired.
    pub(crate) fn header(&self) -> Option<&HeaderValue> {
        let now = self.clock.since_epoch()?.as_secs();
        (now < self.expires_at).then_some(&self.header)
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transaction([redacted])")
    }
}
