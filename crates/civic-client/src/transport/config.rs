//! How connections are made and kept.

use std::time::Duration;

use crate::balance::BreakerPolicy;
#[cfg(feature = "http2")]
use crate::transport::http2::Http2;

/// How connections are made and kept.
///
/// Limits of zero connections count as one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TransportConfig {
    pub(super) ask_after: Duration,
    pub(super) breaker: BreakerPolicy,
    pub(super) connect_timeout: Duration,
    pub(super) dns_ttl: Duration,
    #[cfg(feature = "http2")]
    pub(super) http2: Option<Http2>,
    pub(super) idle_timeout: Duration,
    pub(super) max_age: Duration,
    pub(super) max_connections: usize,
    pub(super) max_idle: usize,
}

impl TransportConfig {
    /// Creates a configuration with the defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ask_after: Duration::ZERO,
            breaker: BreakerPolicy::new(),
            connect_timeout: Duration::from_secs(3),
            dns_ttl: Duration::from_secs(10),
            #[cfg(feature = "http2")]
            http2: None,
            idle_timeout: Duration::from_secs(4),
            max_age: Duration::from_secs(120),
            max_connections: 100,
            max_idle: 32,
        }
    }

    /// Sets after which idle time of its connection a peer is asked whether it wants the body of a
    /// request (`Expect: 100-continue`, RFC 9110, section 10.1.1), if executing the request twice
    /// could do harm. A connection that is new is always asked.
    ///
    /// A peer that is about to end closes its idle connections, whatever has arrived on them
    /// unread. A request with a body that meets this would end with its transmission unknown. If
    /// the body was held back, the request is incomplete: no peer can take it for whole, and it
    /// goes to another connection. The price is one round trip.
    ///
    /// A peer that has never answered the question gets the body after a second, and one that
    /// answers without having asked is not asked again. A new connection to a peer that has
    /// answered it on another one is waited for 5 s. On a connection on which it was answered
    /// before, the body is sent when it is asked for and not earlier; if the attempt ends by its
    /// timeout before that, the request was never sent.
    ///
    /// [`Duration::MAX`] stands for never. Use it for a peer that acts on the head of a request
    /// without waiting for the body that the head announces.
    ///
    /// Defaults to zero: such a peer is asked each time. With a longer time, a connection that was
    /// in use less than that time ago is taken to be one that the peer will read from.
    ///
    /// Over HTTP/2 no peer is asked: it says which requests it has taken when it ends.
    #[must_use]
    pub const fn with_ask_after(mut self, idle: Duration) -> Self {
        self.ask_after = idle;
        self
    }

    /// Sets when an address of a name, or an endpoint, is left alone.
    ///
    /// Defaults to [`BreakerPolicy::new`].
    #[must_use]
    pub const fn with_breaker(mut self, policy: BreakerPolicy) -> Self {
        self.breaker = policy;
        self
    }

    /// Returns what is offered in a TLS handshake, the best first.
    #[cfg(all(feature = "http2", feature = "tls"))]
    pub(super) fn protocols(&self) -> Vec<Vec<u8>> {
        let protocols: &[&[u8]] = match self.http2 {
            None => &[],
            Some(Http2 { is_assumed, .. }) if is_assumed => &[b"h2"],
            Some(_) => &[b"h2", b"http/1.1"],
        };
        protocols.iter().map(|name| name.to_vec()).collect()
    }

    pub(crate) const fn breaker(&self) -> BreakerPolicy {
        self.breaker
    }

    /// Sets how long connecting may take, the look-up of the name included, for all addresses of
    /// the name together.
    ///
    /// Defaults to 3 s.
    #[must_use]
    pub const fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets how long the addresses of a name are used before it is looked up again, where the
    /// resolver does not say. That of the system never does.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub const fn with_dns_ttl(mut self, ttl: Duration) -> Self {
        self.dns_ttl = ttl;
        self
    }

    /// Sets that HTTP/2 is spoken, and with which peers.
    ///
    /// Defaults to HTTP/1.1 with all of them.
    #[cfg(feature = "http2")]
    #[must_use]
    pub const fn with_http2(mut self, http2: Http2) -> Self {
        self.http2 = Some(http2);
        self
    }

    /// Sets how long an idle connection stays usable. Those of HTTP/2 have a time of their own,
    /// `Http2::with_idle_timeout`.
    ///
    /// It has to be shorter than the time for which the peer keeps the connection open. A peer that
    /// announces a shorter time (`Keep-Alive: timeout=N`) is believed: its connections are used for
    /// 1 s less than it says, or for half of what it says if that is longer.
    ///
    /// Defaults to 4 s.
    #[must_use]
    pub const fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets after which time a connection takes no further request, so that new instances of the
    /// peer get their share of a steady load.
    ///
    /// Each connection lives for this time multiplied by a random factor from 0.8 to 1.2, so that
    /// they do not all end at once.
    ///
    /// Defaults to 2 minutes.
    #[must_use]
    pub const fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets how many connections may be open per authority, idle ones included. A request for which
    /// there is none waits, within the time of its attempt.
    ///
    /// Over HTTP/1.1 this is also how many exchanges are under way at once. Over HTTP/2 there are
    /// as many per connection as the peer allows.
    ///
    /// Defaults to 100.
    #[must_use]
    pub const fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Sets how many idle connections are kept per authority.
    ///
    /// Defaults to 32.
    #[must_use]
    pub const fn with_max_idle(mut self, connections: usize) -> Self {
        self.max_idle = connections;
        self
    }
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self::new()
    }
}
