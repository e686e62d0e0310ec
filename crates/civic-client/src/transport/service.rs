//! The service that exchanges a request for a response.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use http::{Request, Response};
use tower_service::Service;

use crate::body::Body;
use crate::error::Error;
use crate::observe::Observer;
use crate::transport::body::TransportBody;
use crate::transport::config::TransportConfig;
use crate::transport::exchange::Shared;
use crate::transport::future::TransportFuture;
use crate::transport::pools::Pools;
use crate::transport::resolve::{DynResolve, NameCache, Resolve, SystemResolver};
use crate::transport::security::Security;
use crate::transport::settings::Settings;
#[cfg(feature = "tls")]
use crate::transport::tls::TlsConfig;
use crate::wall_clock::WallClock;

/// Exchanges each request for a response: HTTP/1.1 over pooled TCP connections, or HTTP/2.
///
/// - **Names.** One look-up per name at a time. An answer is used for its TTL, 10 s where the
///   resolver does not say, and for a second more while the next one is fetched. If the resolver
///   fails or is slow, the old answer is used. A connection to an address that the name no longer
///   has takes no further request.
/// - **Which address** of a name a request goes to is decided by its load and its health, with the
///   rules of [`balance`](crate::balance).
/// - **Connecting** may take 3 s, the look-up included, for all addresses of a name together. If
///   the chosen one does not accept, the others are tried within the same attempt.
/// - **Connections** are closed when they were idle for 4 s, or for less if the peer announces so:
///   plain Node closes after 5 s, and a request that is sent into that race ends with its
///   transmission unknown. They take no further request after 2 minutes, so that new instances of a
///   peer get their share. At most 100 are open per authority; a request for which there is none
///   waits, within the time of its attempt.
/// - **Right before a request is written**, the kernel is asked whether the peer has closed the
///   connection. If it has, or if nothing of the request could be written, the request goes to
///   another connection, whatever its method.
/// - **The body of a POST** that must not be sent twice is held back until the peer asks for it
///   ([`TransportConfig::with_ask_after`]): a peer that is restarted does not make it fail.
/// - **A retry** of what broke off, took too long or was answered with a server error goes to
///   another connection than the attempts before it, and to another address if the peer has one;
///   the connection of such an attempt is closed.
/// - **An address that answers 503 with `Retry-After`** gets no further request before that time is
///   over, at most for a minute, as long as its name has other addresses. It says so for itself and
///   not for its name: where there is no other address (one balancer in front of all processes, for
///   example), the requests of other calls go there all the same. With `x-should-retry: false` it
///   is not about the address.
/// - Requests carry `accept: application/json` and a `user-agent` unless they have their own.
/// - Redirects are not followed: they would carry the token to wherever the peer points.
///
/// `https` needs the feature `tls` and `with_tls`. HTTP/2 needs the feature `http2` and
/// `TransportConfig::with_http2`; what is different then is told at `Http2`. What a request asks
/// for and this transport cannot do is [`ErrorKind::Request`](crate::ErrorKind::Request).
///
/// Clones share their connections. A connection belongs to the runtime in which it was opened: a
/// client may be used in several, one after the other or at once, and each of them has connections
/// of its own.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
}

impl Transport {
    /// Creates a transport that connects as `config` says, and asks the operating system for
    /// addresses ([`SystemResolver`]). It opens no connection yet.
    #[must_use]
    pub fn new(config: TransportConfig) -> Self {
        let resolver = Arc::new(SystemResolver::new());
        Self::over(config, resolver, WallClock::default(), None)
    }

    /// Sets who is asked for the addresses of a name. The transport gets connections and a memory
    /// of names of its own.
    ///
    /// Defaults to [`SystemResolver`].
    #[must_use]
    pub fn with_resolver(self, resolver: impl Resolve) -> Self {
        let mut settings = self.shared.settings.clone();
        settings.resolver = Arc::new(resolver);
        Self::with(settings)
    }

    /// Sets the wall clock, which the dates of a peer are compared with. The transport gets
    /// connections and a memory of names of its own.
    ///
    /// Defaults to [`SystemTime::now`].
    #[must_use]
    pub fn with_clock(self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        let mut settings = self.shared.settings.clone();
        settings.clock = WallClock::new(now);
        Self::with(settings)
    }

    /// Sets who is told of connections and breakers ([`Observer::pool_changed`],
    /// [`Observer::breaker_changed`]). The transport gets connections and a memory of names of its
    /// own.
    ///
    /// Defaults to none.
    #[must_use]
    pub fn with_observer(self, observer: impl Observer) -> Self {
        let mut settings = self.shared.settings.clone();
        settings.observer = Some(Arc::new(observer));
        Self::with(settings)
    }

    /// Sets how `https` is spoken. The transport gets connections and a memory of names of its own.
    ///
    /// Defaults to not at all.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(self, tls: TlsConfig) -> Self {
        let mut settings = self.shared.settings.clone();
        settings.security = Security { tls: Some(tls) };
        Self::with(settings)
    }

    pub(crate) fn over(
        config: TransportConfig,
        resolver: Arc<dyn DynResolve>,
        clock: WallClock,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        Self::with(Settings {
            config,
            resolver,
            clock,
            observer,
            security: Security::default(),
        })
    }

    fn with(settings: Settings) -> Self {
        let names = NameCache::new(Arc::clone(&settings.resolver), settings.config.dns_ttl);
        Self {
            shared: Arc::new(Shared {
                settings,
                names,
                pools: Pools::default(),
            }),
        }
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self::new(TransportConfig::new())
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("config", &self.shared.settings.config)
            .finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<TransportBody>;
    type Error = Error;
    type Future = TransportFuture;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> TransportFuture {
        let shared = Arc::clone(&self.shared);
        TransportFuture::new(async move { shared.exchange(request).await })
    }
}
