//! The service that exchanges a request for a response.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use http::{Request, Response, StatusCode};
use tokio::time::{Instant, timeout};
use tower_service::Service;

use crate::attempt::Attempt;
use crate::balance::{Outcome, pause_asked};
use crate::body::Body;
use crate::error::Error;
use crate::observe::Observer;
use crate::phase::Phase;
use crate::streaming::WantsStream;
use crate::transport::body::TransportBody;
use crate::transport::config::TransportConfig;
use crate::transport::connection::Handover;
use crate::transport::dial::order;
use crate::transport::future::TransportFuture;
use crate::transport::lease::Lease;
use crate::transport::outgoing::is_delicate;
use crate::transport::pools::Pools;
use crate::transport::resolve::{DynResolve, NameCache, Resolve, SystemResolver};
use crate::transport::security::Security;
use crate::transport::settings::Settings;
use crate::transport::target::Target;
#[cfg(feature = "tls")]
use crate::transport::tls::TlsConfig;
use crate::transport::tried::Tried;
use crate::transport::unconnected::{no_address, too_slow, unconnected};
use crate::wall_clock::WallClock;

/// The largest body of a request that certainly is in the kernel's buffers when its response
/// arrives.
const SMALL_BODY: usize = 16 * 1024;

/// Exchanges each request for a response: HTTP/1.1 over pooled TCP connections.
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
/// `https` needs the feature `tls` and `with_tls`; HTTP/2 is not supported. What a request asks for
/// and this transport cannot do is [`ErrorKind::Request`](crate::ErrorKind::Request).
///
/// Clones share their connections. A connection belongs to the runtime in which it was opened: a
/// client may be used in several, one after the other or at once, and each of them has connections
/// of its own.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    names: NameCache,
    pools: Pools,
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

// ===== impl Shared =====

impl Shared {
    async fn exchange(&self, mut request: Request<Body>) -> Result<Response<TransportBody>, Error> {
        let target = Target::of(&request)?;
        self.settings.security.check(&target)?;
        target.complete(&mut request)?;
        let attempt = Attempt::of(request.extensions()).cloned();
        let tried = request.extensions().get::<Tried>().cloned();
        let tried = tried.unwrap_or_default();
        let is_simple = request
            .body()
            .bytes()
            .is_some_and(|bytes| bytes.len() <= SMALL_BODY);
        let is_delicate = is_delicate(&request);
        let is_stream = request.extensions().get::<WantsStream>().is_some();
        let Settings {
            config, observer, ..
        } = &self.settings;
        let pool = self.pools.of(&target, config, observer.as_ref());
        for connection in tried.connections() {
            // It led to an attempt that has to be repeated.
            pool.discard(connection);
        }

        note(attempt.as_ref(), Phase::Resolving);
        let mut start = Instant::now();
        let mut ips = self.addresses(&target).await;
        note(attempt.as_ref(), Phase::Connecting);
        let permit = match pool.try_begin() {
            Some(permit) => permit,
            None => {
                let permit = pool.begin().await?;
                // What was found before it waited may have changed.
                start = Instant::now();
                ips = self.addresses(&target).await;
                permit
            }
        };
        let connect_timeout = self
            .settings
            .config
            .connect_timeout
            .saturating_sub(start.elapsed());
        let chosen = pool.choose(ips.as_deref().ok(), &tried, request.extensions());
        let mut exchange = match chosen {
            Some(exchange) => exchange?,
            None => return Err(ips.err().unwrap_or_else(no_address)),
        };
        loop {
            let idle = pool.take(*exchange.key(), ips.as_deref().ok(), &tried);
            let mut connection = match idle {
                Some(idle) => idle,
                None => {
                    let addresses = match ips {
                        Ok(ref ips) => {
                            let weights = pool.balancer().weights(ips, &tried.ips());
                            let ips: Vec<_> = ips.iter().copied().zip(weights).collect();
                            order(*exchange.key(), &ips, target.port)
                        }
                        Err(error) => {
                            exchange.end(Outcome::NotMade);
                            return Err(error);
                        }
                    };
                    let connected = pool
                        .connect(&target, &self.settings, &addresses, connect_timeout)
                        .await;
                    let connection = match connected {
                        Ok(connection) => connection,
                        Err(error) => {
                            exchange.end(Outcome::of_error(&error));
                            return Err(error);
                        }
                    };
                    if connection.ip() != *exchange.key() {
                        exchange = exchange.moved_to(&connection.ip());
                    }
                    connection
                }
            };
            if !connection.is_ready().await {
                continue;
            }
            tried.note(connection.id(), connection.ip());
            let handover = if is_delicate
                && self.settings.config.ask_after < Duration::MAX
                && pool.answers_expectations()
                && !connection.was_alive_within(self.settings.config.ask_after)
            {
                Handover::WhenAsked {
                    is_known: pool.has_asked(),
                }
            } else {
                Handover::AtOnce
            };
            let is_reused = connection.is_reused();
            let asks = handover != Handover::AtOnce;
            let again = (is_reused || asks).then(|| request.clone());
            match (connection.send(request, handover).await, again) {
                (Ok(response), Some(again))
                    if asks
                        && response.status() == StatusCode::EXPECTATION_FAILED
                        && !again.body().is_begun() =>
                {
                    pool.expect_no_answer();
                    request = again;
                }
                (Ok(mut response), _) => {
                    if connection.was_question_ignored() {
                        pool.expect_no_answer();
                    }
                    if connection.has_asked() {
                        pool.note_asked();
                    }
                    if let Some(pause) = pause_asked(&response, self.settings.clock.now()) {
                        pool.balancer().pause(exchange.key(), pause);
                    }
                    exchange.note_status(response.status());
                    // Another connection would not change what the peer decided about the caller.
                    if response.status().is_client_error() {
                        tried.forget(connection.id());
                    }
                    let exchange = if is_stream && response.status().is_success() {
                        // Its body is read as slowly as the caller likes.
                        response.extensions_mut().insert(exchange.complete_head());
                        None
                    } else {
                        Some(exchange)
                    };
                    let lease = Lease::new(connection, pool, is_simple, permit, exchange);
                    return Ok(response.map(|inner| TransportBody::new(inner, lease)));
                }
                // A new connection that breaks at once says more about the peer than about the
                // connection.
                (Err(error), Some(again))
                    if error.is_unsent && is_reused && !again.body().is_begun() =>
                {
                    request = again;
                }
                // The caller's own stream has failed.
                (Err(error), _) if error.cause.is_user() => {
                    exchange.end(Outcome::NotMade);
                    return Err(Error::transport(error.cause));
                }
                (Err(error), _) => {
                    exchange.end(Outcome::Failed);
                    return Err(if error.is_unsent {
                        unconnected(error.cause)
                    } else {
                        Error::transport(error.cause)
                    });
                }
            }
        }
    }

    /// Returns the addresses of the target.
    async fn addresses(&self, target: &Target) -> Result<Arc<[IpAddr]>, Error> {
        if let Some(ip) = target.ip() {
            return Ok(Arc::from([ip]));
        }
        let lookup = self.names.addresses(target.host());
        match timeout(self.settings.config.connect_timeout, lookup).await {
            Ok(Ok(ips)) => Ok(ips),
            Ok(Err(error)) => {
                let text = format!("the name could not be resolved: {error}");
                Err(unconnected(io::Error::new(error.kind(), text)))
            }
            Err(_) => Err(too_slow("resolved", self.settings.config.connect_timeout)),
        }
    }
}

fn note(attempt: Option<&Attempt>, phase: Phase) {
    if let Some(attempt) = attempt {
        attempt.progress.advance(phase);
    }
}
