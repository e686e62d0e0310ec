//! The service that exchanges a request for a response.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::time::timeout;
use tower_service::Service;

use crate::body::Body;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::transport::body::TransportBody;
use crate::transport::config::TransportConfig;
use crate::transport::connection::Connection;
use crate::transport::dial::{dial, order};
use crate::transport::lease::Lease;
use crate::transport::pool::Pool;
use crate::transport::pools::Pools;
use crate::transport::resolve::{NameCache, Resolve, SystemResolver};
use crate::transport::target::Target;
use crate::transport::tried::Tried;

/// The largest body of a request that certainly is in the kernel's buffers when its response
/// arrives.
const SMALL_BODY: usize = 16 * 1024;

/// Exchanges each request for a response: HTTP/1.1 over pooled TCP connections.
///
/// - **Names.** One look-up per name at a time. An answer is used for its TTL, 10 s where the
///   resolver does not say, and for a second more while the next one is fetched. If the resolver
///   fails or is slow, the old answer is used. A connection to an address that the name no longer
///   has takes no further request.
/// - **Connecting** may take 3 s, the look-up included, for all addresses of a name together. They
///   are tried in random order, so that the load is spread.
/// - **Connections** are closed when they were idle for 4 s, or for less if the peer announces so:
///   plain Node closes after 5 s, and a request that is sent into that race ends with its
///   transmission unknown. They take no further request after 2 minutes, so that new instances of a
///   peer get their share. At most 100 are open per authority; a request for which there is none
///   waits, within the time of its attempt.
/// - **Right before a request is written**, the kernel is asked whether the peer has closed the
///   connection. If it has, or if nothing of the request could be written, the request goes to
///   another connection, whatever its method.
/// - **A retry** of what broke off, took too long or was answered with a server error goes to another
///   connection than the attempts before it, and to another address if the peer has one; the
///   connection of such an attempt is closed.
/// - Requests carry `accept: application/json` and a `user-agent` unless they have their own.
/// - Redirects are not followed: they would carry the token to wherever the peer points.
///
/// TLS and HTTP/2 are not supported. What a request asks for and this transport cannot do is
/// [`ErrorKind::Request`].
///
/// Clones share their connections. A connection belongs to the runtime in which it was opened: a
/// client may be used in several, one after the other or at once, and each of them has connections
/// of its own.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
}

struct Shared {
    config: TransportConfig,
    names: NameCache,
    pools: Pools,
}

impl Transport {
    /// Creates a transport that connects as `config` says, and asks the operating system for
    /// addresses ([`SystemResolver`]). It opens no connection yet.
    #[must_use]
    pub fn new(config: TransportConfig) -> Self {
        Self::over(config, SystemResolver::new())
    }

    /// Sets who is asked for the addresses of a name. The transport gets connections and a memory
    /// of names of its own.
    ///
    /// Defaults to [`SystemResolver`].
    #[must_use]
    pub fn with_resolver(self, resolver: impl Resolve) -> Self {
        Self::over(self.shared.config, resolver)
    }

    fn over(config: TransportConfig, resolver: impl Resolve) -> Self {
        Self {
            shared: Arc::new(Shared {
                config,
                names: NameCache::new(resolver, config.dns_ttl),
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
            .field("config", &self.shared.config)
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
        TransportFuture(Box::pin(async move { shared.exchange(request).await }))
    }
}

// ===== impl Shared =====

impl Shared {
    async fn exchange(&self, mut request: Request<Body>) -> Result<Response<TransportBody>, Error> {
        let target = Target::of(&request)?;
        target.complete(&mut request)?;
        let tried = request.extensions().get::<Tried>().cloned();
        let tried = tried.unwrap_or_default();
        let is_simple = request.body().bytes().len() <= SMALL_BODY;

        let pool = self.pools.of(&target.authority, &self.config);
        for connection in tried.connections() {
            // It led to an attempt that has to be repeated.
            pool.discard(connection);
        }
        let exchange = pool.begin().await.ok_or_else(closed)?;
        loop {
            let mut connection = self.connection(&target, &pool, &tried).await?;
            if !connection.is_ready().await {
                continue;
            }
            tried.note(connection.id(), connection.ip());
            // A new connection that breaks at once says more about the peer than about the
            // connection.
            let again = connection.is_reused().then(|| request.clone());
            match connection.send(request).await {
                Ok(response) => {
                    // Another connection would not change what the peer decided about the caller.
                    if response.status().is_client_error() {
                        tried.forget(connection.id());
                    }
                    let lease = Lease::new(connection, pool, is_simple, exchange);
                    return Ok(response.map(|inner| TransportBody::new(inner, lease)));
                }
                Err(error) if error.is_unsent => match again {
                    Some(again) => request = again,
                    None => return Err(Error::new(ErrorKind::Connect).with_source(error.cause)),
                },
                Err(error) => return Err(Error::transport(error.cause)),
            }
        }
    }

    /// Returns a connection that is free: an idle one, else a new one.
    async fn connection(
        &self,
        target: &Target,
        pool: &Pool,
        tried: &Tried,
    ) -> Result<Connection, Error> {
        let limit = self.config.connect_timeout;
        let connecting = async {
            let ips = match target.ip() {
                Some(ip) => Ok(Arc::from([ip])),
                None => self.names.addresses(target.host()).await,
            };
            if let Some(idle) = pool.take(ips.as_deref().ok(), tried) {
                return Ok(idle);
            }
            let ips: Arc<[IpAddr]> = ips.map_err(|error| {
                let text = format!("the name could not be resolved: {error}");
                unconnected(io::Error::new(error.kind(), text))
            })?;
            let permit = pool.room().await.ok_or_else(closed)?;
            let addresses = order(&ips, target.port, &tried.ips());
            let (stream, address) = dial(&addresses).await.map_err(unconnected)?;
            Connection::new(stream, address, &self.config, permit)
                .await
                .map_err(|error| Error::new(ErrorKind::Connect).with_source(error))
        };
        timeout(limit, connecting).await.unwrap_or_else(|_| {
            let text = format!("there was no connection after {limit:?}");
            Err(unconnected(io::Error::new(io::ErrorKind::TimedOut, text)))
        })
    }
}

fn unconnected(cause: io::Error) -> Error {
    Error::new(ErrorKind::Connect).with_source(cause)
}

/// The semaphores of a pool are never closed.
fn closed() -> Error {
    unconnected(io::Error::other("the pool of connections was closed"))
}

/// The future of [`Transport`].
pub struct TransportFuture(
    Pin<Box<dyn Future<Output = Result<Response<TransportBody>, Error>> + Send>>,
);

impl fmt::Debug for TransportFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransportFuture")
    }
}

impl Future for TransportFuture {
    type Output = Result<Response<TransportBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}
