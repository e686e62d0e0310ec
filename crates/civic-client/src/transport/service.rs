//! The service that exchanges a request for a response.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_service::Service;

use crate::body::Body;
use crate::error::Error;
use crate::transport::body::TransportBody;
use crate::transport::config::TransportConfig;

/// Exchanges each request for a response: HTTP/1.1 over pooled TCP connections.
///
/// - A connection that was idle for 4 s is not used again. Plain Node closes after 5 s, and a
///   request that is sent into that race ends with its transmission unknown.
/// - Connecting may take 3 s, for all addresses of a name together.
/// - Small writes are not held back (`TCP_NODELAY`).
/// - Redirects are not followed: they would carry the token to wherever the peer points.
///
/// TLS and HTTP/2 are not supported. A client refuses a base URL other than `http://` when it is
/// built.
///
/// Clones share their connections.
#[derive(Clone)]
pub struct Transport {
    client: Client<HttpConnector, Body>,
    config: TransportConfig,
}

impl Transport {
    /// Creates a transport that connects as `config` says. It opens no connection yet.
    #[must_use]
    pub fn new(config: TransportConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.connect_timeout));
        let client = Client::builder(TokioExecutor::new())
            // Without a timer, idle connections are looked at only when the next request comes.
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle_timeout)
            .pool_max_idle_per_host(config.max_idle)
            .build(connector);
        Self { client, config }
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
            .field("config", &self.config)
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
        TransportFuture {
            inner: self.client.request(request),
        }
    }
}

/// The future of [`Transport`].
pub struct TransportFuture {
    inner: legacy::ResponseFuture,
}

impl fmt::Debug for TransportFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransportFuture")
    }
}

impl Future for TransportFuture {
    type Output = Result<Response<TransportBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.inner)
            .poll(cx)
            .map_ok(|response| response.map(|inner| TransportBody { inner }))
            .map_err(Error::transport)
    }
}
