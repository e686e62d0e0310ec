//! Whether HTTP/2 is spoken, and its times.

use std::time::Duration;

/// That HTTP/2 is spoken, with which peers, and how long its connections are believed in.
///
/// A client speaks it only if it is told to
/// ([`TransportConfig::with_http2`](crate::TransportConfig::with_http2)): a feature that another
/// crate in the program has enabled changes nothing.
///
/// - **One connection per address** carries as many requests at once as the peer allows
///   (`SETTINGS_MAX_CONCURRENT_STREAMS`). If that is not enough, further ones are opened, up to
///   [`with_max_connections`](crate::TransportConfig::with_max_connections); beyond it a request
///   waits, within the time of its attempt. One that is new is opened once, however many requests
///   wait for it.
/// - **A request is sent only after the peer has sent its settings.** It costs one round trip per
///   connection, and a peer that does not speak HTTP/2 is found out before it has a request.
/// - **A restart of the peer loses nothing**: a request that its peer says it has not processed
///   (`GOAWAY` without an error, `REFUSED_STREAM`) or that was not written was never sent, and goes
///   to another connection, whatever its method. With any other end it may have been executed.
/// - **An attempt that ends early** by its timeout, or because it was dropped, cancels its own
///   request (`RST_STREAM` with `CANCEL`). The connection goes on for the others. A peer from which
///   nothing was heard meanwhile gets no further request before it gives a sign of life.
/// - **A body is read and written at the pace of the slower side.** Of a response that no one reads
///   1 MiB is in memory, and it holds up no other one on its connection. A response that its peer
///   breaks off is an error, and never looks complete.
/// - **A response's head** may be 64 KiB long.
///
/// What belongs to HTTP/1.1 is left out of a request: `Connection`, `Keep-Alive`,
/// `Proxy-Connection`, `Transfer-Encoding`, `Upgrade`, `Expect`, and `TE` unless it is `trailers`.
/// `Host` becomes `:authority`.
///
/// ```
/// use civic_client::transport::Http2;
/// use civic_client::{ServiceClient, TransportConfig};
///
/// # fn main() -> Result<(), civic_client::Error> {
/// let config = TransportConfig::new().with_http2(Http2::prior_knowledge());
/// let client = ServiceClient::builder("http://localhost:3020")
///     .anonymous()
///     .transport(config)
///     .build()?;
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Http2 {
    pub(in crate::transport) is_assumed: bool,
    pub(super) idle_timeout: Duration,
    pub(super) ping_after: Duration,
    pub(super) ping_timeout: Duration,
}

impl Http2 {
    /// Speaks HTTP/2 with the peers that choose it in the TLS handshake (ALPN, RFC 7301), and
    /// HTTP/1.1 with all others. Without TLS there is no such choice: `http://` stays HTTP/1.1.
    #[must_use]
    pub const fn negotiated() -> Self {
        Self {
            is_assumed: false,
            idle_timeout: Duration::from_secs(30),
            ping_after: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(10),
        }
    }

    /// Speaks HTTP/2 with every peer, without asking (RFC 9113, section 3.3), for peers that are
    /// known to.
    ///
    /// Over TLS nothing else is offered. A peer that does not take part in that choice is taken to
    /// speak it; one that refuses, or answers in HTTP/1.1, is
    /// [`ErrorKind::Protocol`](crate::ErrorKind::Protocol), and was not sent the request.
    #[must_use]
    pub const fn prior_knowledge() -> Self {
        let mut http2 = Self::negotiated();
        http2.is_assumed = true;
        http2
    }

    /// Sets how long a connection without requests stays open.
    ///
    /// It may be longer than that of HTTP/1.1: a peer that closes an idle connection says which
    /// requests it has taken, so that one that meets the end is not lost. It should be shorter than
    /// what balancers and firewalls on the way allow, which forget a silent connection after a
    /// minute or more and do not say so.
    ///
    /// Defaults to 30 s.
    #[must_use]
    pub const fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets after which silence of the peer it is asked for a sign of life (`PING`), while requests
    /// wait for it. [`Duration::MAX`] stands for never.
    ///
    /// A connection that is idle is not asked; nor is one on which something arrives.
    ///
    /// Defaults to 10 s, which is as long as an attempt may take: a peer is asked about a call that
    /// takes longer, or when an attempt has ended without a word from it.
    #[must_use]
    pub const fn with_ping_after(mut self, silence: Duration) -> Self {
        self.ping_after = silence;
        self
    }

    /// Sets how long a peer that was asked for a sign of life may take. After that its connection
    /// is closed, and the requests that wait on it end with their transmission unknown.
    ///
    /// Anything that arrives counts. With the default of
    /// [`with_ping_after`](Self::with_ping_after), a peer that has vanished is noticed after 20 s;
    /// after 30 s the kernel would notice it.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub const fn with_ping_timeout(mut self, timeout: Duration) -> Self {
        self.ping_timeout = timeout;
        self
    }
}
