//! The outer half: what comes in before anything of it is read.

use std::task::{Context, Poll};

use civic_auth::{CORRELATION_ID, uuid_correlation_id};
use civic_envelope::inner_accessors;
use http::{HeaderMap, Request};
use tower_layer::Layer;
use tower_service::Service;

use super::original::OriginalCorrelationId;
use super::withheld::Withheld;

/// Withholds the internal headers of each request, and makes its correlation id a UUID.
///
/// It belongs outside of [`CorrelationIdLayer`](civic_auth::CorrelationIdLayer), which reads two of
/// them. [`EdgeGuardLayer`](super::EdgeGuardLayer) gives them back, if a service has sent them. The
/// [module docs](super) have the list.
#[derive(Clone, Copy, Debug, Default)]
pub struct EdgeLayer(());

/// Withholds the internal headers of each request. Made by [`EdgeLayer`].
#[derive(Clone, Debug)]
pub struct Edge<S> {
    inner: S,
}

// ===== impl EdgeLayer =====

impl EdgeLayer {
    /// Creates the layer. There is nothing to configure.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Edge::new(inner)
    }
}

// ===== impl Edge =====

impl<S> Edge<S> {
    /// Creates a service that wraps `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    inner_accessors!();
}

impl<S, B> Service<Request<B>> for Edge<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let withheld = Withheld::take(request.headers_mut());
        request.extensions_mut().insert(withheld);
        if let Some(original) = normalise(request.headers_mut()) {
            request.extensions_mut().insert(original);
        }
        self.inner.call(request)
    }
}

/// Makes the correlation id a UUID, and returns what it was before. Two ids are none.
fn normalise(headers: &mut HeaderMap) -> Option<OriginalCorrelationId> {
    let mut sent = headers.get_all(CORRELATION_ID).iter();
    let first = sent.next()?;
    if sent.next().is_some() {
        headers.remove(CORRELATION_ID);
        return None;
    }
    let id = uuid_correlation_id(first.as_bytes());
    let original =
        (first.as_bytes() != id.as_str().as_bytes()).then(|| OriginalCorrelationId::new(first));
    headers.insert(CORRELATION_ID, id.to_header_value());
    original
}
