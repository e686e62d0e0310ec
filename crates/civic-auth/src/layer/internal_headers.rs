//! The headers of an internal call: which kind of caller it is, and which request it belongs to.
//!
//! | header | value |
//! |---|---|
//! | `Authorization` | `Bearer <token>`, minted for this request, marked sensitive; replaces any other |
//! | `X-Correlation-Id` | see below |
//! | `Content-Type` | `application/json`, if the request has a body and names no type: Fastify answers 400 to a request with a type and without a body |
//! | `Txn-Token` | that of the request being served, unchanged: for whom the call is made |
//! | `traceparent`, `tracestate` | those of the [`RequestContext`], unless the request has a `traceparent` |
//!
//! The correlation id is that of [`RequestContext::correlation_id_for`], or else a new one. The
//! context is the [`RequestContext`] in the request's extensions, or else that of this task. A
//! layer that moves a call to another task puts it there first, or the call would be made for no
//! one; `PropagateContextLayer` of civic-client does so for the layers inside of it.
//!
//! If the `Txn-Token` of the request being served has expired, the call ends here, and nothing is
//! sent: without the token it would be the service's own, which may do more than the user may.
//!
//! Put [`InternalHeadersLayer`] *inside* the layer that retries, so that each attempt carries
//! its own token: a token lives for 30 seconds, and three attempts may take longer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use civic_envelope::{CORRELATION_ID, CorrelationId, inner_accessors};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::context::{RequestContext, TRACEPARENT, TRACESTATE, single};
use crate::correlation_id::new_correlation_id;
use crate::error::MissingCredentials;
use crate::mint::TokenMinter;
use crate::txn::TXN_TOKEN;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Returns the three headers of an internal call: `Authorization`, `X-Correlation-Id` and
/// `Content-Type`.
///
/// Without an id, the headers carry the id of the request that this task is serving
/// ([`RequestContext::current`]), or else a new one. Leave `Content-Type` out of a request without
/// a body: Fastify answers 400.
///
/// ```
/// use civic_auth::{CorrelationId, Secret, TokenMinter, internal_headers};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let minter = TokenMinter::new(Secret::new("0123456789abcdef0123456789abcdef")?);
/// let headers = internal_headers(&minter, Some(&CorrelationId::parse("req-1")?));
/// let authorization = headers["authorization"].to_str()?;
/// assert!(authorization.starts_with("Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."));
/// assert_eq!(headers["x-correlation-id"], "req-1");
/// assert_eq!(headers["content-type"], "application/json");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "createInternalHeaders")]
#[must_use]
pub fn internal_headers(minter: &TokenMinter, correlation_id: Option<&CorrelationId>) -> HeaderMap {
    let id = correlation_id
        .cloned()
        .or_else(|| RequestContext::try_current()?.correlation_id().cloned())
        .unwrap_or_else(new_correlation_id);
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(AUTHORIZATION, minter.mint().to_header_value());
    headers.insert(CORRELATION_ID, id.to_header_value());
    headers.insert(CONTENT_TYPE, JSON);
    headers
}

/// Puts the headers of an internal call on each request.
///
/// The headers are listed in the [crate's documentation](crate#calling).
///
/// A call for a user whose transaction token has expired ends with [`MissingCredentials`]. The
/// error of the inner service has to be able to say so: `civic_client::Error` and `tower::BoxError`
/// are, and [`map_err`](https://docs.rs/tower/latest/tower/trait.ServiceExt.html#method.map_err)
/// makes one of them from any other.
#[derive(Clone, Debug)]
#[doc(alias = "createInternalHeaders")]
pub struct InternalHeadersLayer {
    minter: TokenMinter,
}

/// Puts the headers of an internal call on each request. Made by [`InternalHeadersLayer`].
#[derive(Clone, Debug)]
pub struct InternalHeaders<S> {
    inner: S,
    minter: Arc<TokenMinter>,
}

pin_project! {
    /// The response future of [`InternalHeaders`].
    pub struct InternalHeadersFuture<F> {
        // `None` if the call cannot be made.
        #[pin]
        inner: Option<F>,
    }
}

// ===== impl InternalHeadersLayer =====

impl InternalHeadersLayer {
    /// Creates a layer whose services mint with `minter`.
    #[must_use]
    pub const fn new(minter: TokenMinter) -> Self {
        Self { minter }
    }
}

impl<S> Layer<S> for InternalHeadersLayer {
    type Service = InternalHeaders<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InternalHeaders::new(inner, self.minter.clone())
    }
}

// ===== impl InternalHeaders =====

impl<S> InternalHeaders<S> {
    /// Wraps `inner`, and mints with `minter`.
    pub fn new(inner: S, minter: TokenMinter) -> Self {
        Self {
            inner,
            minter: Arc::new(minter),
        }
    }

    inner_accessors!();
}

impl<S, B> Service<Request<B>> for InternalHeaders<S>
where
    S: Service<Request<B>>,
    S::Error: From<MissingCredentials>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = InternalHeadersFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let context = request.extensions().get().cloned();
        let context = context.unwrap_or_else(RequestContext::current);
        let id = RequestContext::correlation_id_for(request.headers(), request.extensions())
            .unwrap_or_else(new_correlation_id);
        let has_body = !request.body().is_end_stream();

        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.minter.mint().to_header_value());
        // Most often a layer outside of this one has written it.
        if single(headers, &CORRELATION_ID).is_none_or(|value| value != id.as_str()) {
            headers.insert(CORRELATION_ID, id.to_header_value());
        }
        headers.remove(TXN_TOKEN);
        if let Some(transaction) = context.transaction() {
            let Some(token) = transaction.header() else {
                tracing::debug!("call not made: its transaction token has expired");
                return InternalHeadersFuture { inner: None };
            };
            headers.insert(TXN_TOKEN, token.clone());
        }
        if has_body {
            headers.entry(CONTENT_TYPE).or_insert(JSON);
        }
        if !headers.contains_key(TRACEPARENT)
            && let Some(traceparent) = context.traceparent()
        {
            headers.insert(TRACEPARENT, traceparent.clone());
            // A state belongs to its parent: without it, it is the state of another trace.
            headers.remove(TRACESTATE);
            if let Some(tracestate) = context.tracestate() {
                headers.insert(TRACESTATE, tracestate.clone());
            }
        }
        InternalHeadersFuture {
            inner: Some(self.inner.call(request)),
        }
    }
}

// ===== impl InternalHeadersFuture =====

impl<F, T, E> Future for InternalHeadersFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: From<MissingCredentials>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().inner.as_pin_mut() {
            Some(inner) => inner.poll(cx),
            None => Poll::Ready(Err(MissingCredentials::new().into())),
        }
    }
}

impl<F> fmt::Debug for InternalHeadersFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InternalHeadersFuture")
            .finish_non_exhaustive()
    }
}
