//! What a look-up of a name found.

use std::net::IpAddr;
use std::time::Duration;

/// What a look-up of a name found: its addresses, and for how long they may be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Addresses {
    pub(super) ips: Vec<IpAddr>,
    pub(super) ttl: Option<Duration>,
}

impl Addresses {
    /// Creates an answer with these addresses, in the order in which the resolver prefers them.
    ///
    /// An answer without an address counts as a failed look-up.
    #[must_use]
    pub fn new(ips: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            ips: ips.into_iter().collect(),
            ttl: None,
        }
    }

    /// Sets for how long the answer may be used, from now on. More than 5 minutes count as 5
    /// minutes.
    ///
    /// Defaults to the time of
    /// [`TransportConfig::with_dns_ttl`](crate::TransportConfig::with_dns_ttl).
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Returns the addresses.
    #[must_use]
    pub fn ips(&self) -> &[IpAddr] {
        &self.ips
    }

    /// Returns for how long the answer may be used, if the resolver said so.
    #[must_use]
    pub const fn ttl(&self) -> Option<Duration> {
        self.ttl
    }
}
