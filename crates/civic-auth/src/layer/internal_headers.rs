//! The headers of an internal call: who is calling, and on whose behalf.
//!
//! | header | value |
//! |---|---|
//! | `Authorization` | `Bearer <token>`, minted for this very call, marked sensitive; whatever was there is replaced |
//! | `X-Correlation-Id` | see below |
//! | `Content-Type` | `application/json`, if the request has a body and names no type: Fastify answers 400 to a request that has the type and no body |
//! | `traceparent`, `tracestate` | those of the [`RequestContext`], unless the request has a `traceparent` |
//!
//! The correlation id is, in this order: the [`CorrelationId`] in the request's extensions, a valid
//! one in its header, the one of the [`RequestContext`], a new one.
//!
//! Put [`InternalHeadersLayer`] *inside* of whatever retries, so that each attempt carries a token of
//! its own: a token lives for 30 seconds, and three attempts may take longer.

use std::task::{Context, Poll};

use civic_envelope::{CORRELATION_ID, CorrelationId};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::context::{RequestContext, TRACEPARENT, TRACESTATE};
use crate::correlation_id::new_correlation_id;
use crate::mint::TokenMinter;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The three headers of an internal call: `Authorization`, `X-Correlation-Id`, `Content-Type`.
///
/// Without an id it is that of the request being served ([`RequestContext::current`]), else a new one.
/// Leave `Content-Type` out of a request without a body: Fastify answers 400.
///
/// ```
/// use civic_auth::{CorrelationId, Secret, TokenMinter, internal_headers};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let minter = TokenMinter::new(Secret::new("0123456789abcdef0123456789abcdef")?);
/// let headers = internal_headers(&minter, Some(&CorrelationId::parse("req-1")?));
/// assert!(headers["authorization"].to_str()?.starts_with("Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."));
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
        .or_else(|| RequestContext::current().correlation_id().cloned())
        .unwrap_or_else(new_correlation_id);
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(AUTHORIZATION, minter.mint().to_header_value());
    headers.insert(CORRELATION_ID, id.to_header_value());
    headers.insert(CONTENT_TYPE, JSON);
    headers
}

/// Puts the headers of an internal call on every request. See the [table](crate#calling).
#[derive(Clone, Debug)]
#[doc(alias = "createInternalHeaders")]
pub struct InternalHeadersLayer {
    minter: TokenMinter,
}

impl InternalHeadersLayer {
    /// A layer that mints with `minter`.
    #[must_use]
    pub fn new(minter: TokenMinter) -> Self {
        Self { minter }
    }
}

impl<S> Layer<S> for InternalHeadersLayer {
    type Service = InternalHeaders<S>;

    fn layer(&self, inner: S) -> Self::Service {
        InternalHeaders {
            inner,
            minter: self.minter.clone(),
        }
    }
}

/// The service of [`InternalHeadersLayer`].
#[derive(Clone, Debug)]
pub struct InternalHeaders<S> {
    inner: S,
    minter: TokenMinter,
}

impl<S, B> Service<Request<B>> for InternalHeaders<S>
where
    S: Service<Request<B>>,
    B: Body,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let context = RequestContext::current();
        let id = RequestContext::correlation_id_for(request.headers(), request.extensions())
            .unwrap_or_else(new_correlation_id);
        let has_body = !request.body().is_end_stream();

        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.minter.mint().to_header_value());
        headers.insert(CORRELATION_ID, id.to_header_value());
        if has_body {
            headers.entry(CONTENT_TYPE).or_insert(JSON);
        }
        if !headers.contains_key(TRACEPARENT)
            && let Some(traceparent) = context.traceparent()
        {
            headers.insert(TRACEPARENT, traceparent.clone());
            // A state belongs to its parent: one without the other is somebody else's.
            headers.remove(TRACESTATE);
            if let Some(tracestate) = context.tracestate() {
                headers.insert(TRACESTATE, tracestate.clone());
            }
        }
        self.inner.call(request)
    }
}
