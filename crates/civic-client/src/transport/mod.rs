//! The exchange itself: HTTP/1.1 over pooled TCP connections.
//!
//! This file and the one that reads its errors (`transmission.rs`) are the only ones that name the
//! HTTP implementation's client, and none of its types is in a public signature.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::body::Body;
use crate::error::{Error, ErrorKind};

/// How connections are made and kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TransportConfig {
    connect_timeout: Duration,
    idle_timeout: Duration,
    max_idle: usize,
}

impl TransportConfig {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(4),
            max_idle: 32,
        }
    }

    /// How long connecting may take.
    ///
    /// Defaults to 3 s.
    #[must_use]
    pub const fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long an idle connection stays usable. Has to be shorter than the peer keeps it open.
    ///
    /// Defaults to 4 s.
    #[must_use]
    pub const fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How many idle connections are kept for each host.
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

/// The exchange itself: HTTP/1.1 over pooled TCP connections.
///
/// - A connection that was idle for 4 s is not used again. Plain Node closes after 5, and a request sent
///   into that race ends with its delivery unknown.
/// - Connecting may take 3 s, for all addresses of a name together.
/// - Small writes are not held back (`TCP_NODELAY`).
/// - Redirects are not followed: they would carry the token to wherever the peer points.
///
/// Not promised: TLS and HTTP/2. A URL other than `http://` is refused when the client is built.
///
/// Clones share their connections.
#[derive(Clone)]
pub struct Transport {
    client: Client<HttpConnector, Body>,
    config: TransportConfig,
}

impl Transport {
    /// Connects as `config` says. Nothing is opened yet.
    #[must_use]
    pub fn new(config: TransportConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.connect_timeout));
        let client = Client::builder(TokioExecutor::new())
            // Without a timer idle connections are only looked at when the next request comes.
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
    type Response = Response<ResponseBody>;
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
    type Output = Result<Response<ResponseBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.inner)
            .poll(cx)
            .map_ok(|response| response.map(|inner| ResponseBody { inner }))
            .map_err(Error::transport)
    }
}

pin_project! {
    /// The body of a response, as it arrives.
    #[derive(Debug)]
    pub struct ResponseBody {
        #[pin]
        inner: hyper::body::Incoming,
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.project()
            .inner
            .poll_frame(cx)
            // The head has arrived, so the request has too, whatever the cause looks like.
            .map_err(|error| Error::new(ErrorKind::Transport).with_source(error))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
