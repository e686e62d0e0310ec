//! One correlation id per request, on everything that the request causes.
//!
//! The id of the request's `X-Correlation-Id` header is kept if there is exactly one and it is
//! valid. Otherwise the request gets a new id. The id is then
//!
//! 1. in the request's extensions and in its header, for everything inside;
//! 2. in the [`RequestContext`], together with the W3C trace context and the mark of a retry
//!    (`x-retry-attempt`), while the inner service's `call`, its future and the response body run
//!    and are dropped;
//! 3. in a `tracing` span around the same, in the field `correlation_id`;
//! 4. in the header of the response, whatever its status.
//!
//! The layer belongs outside every layer that may answer, the guard and a layer that catches panics
//! included: a response that is made further out does not pass through here. What the context does
//! not reach is listed at [`RequestContext`].
//!
//! tower-http's `SetRequestIdLayer` keeps an id unchecked and of any length, and has no context;
//! hence this layer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use civic_envelope::{CORRELATION_ID, CorrelationId, inner_accessors};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;
use tracing::instrument::{Instrument as _, Instrumented};

use crate::context::{RequestContext, Scoped};
use crate::correlation_id::new_correlation_id;

/// Gives each request its correlation id.
///
/// It belongs outside every layer that may answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct CorrelationIdLayer(());

/// Gives each request its correlation id. Made by [`CorrelationIdLayer`].
#[derive(Clone, Debug)]
pub struct CorrelationIdService<S> {
    inner: S,
}

pin_project! {
    /// The response future of [`CorrelationIdService`].
    pub struct CorrelationIdFuture<F> {
        #[pin]
        future: Instrumented<Scoped<F>>,
        context: RequestContext,
    }
}

pin_project! {
    /// A response body that runs in the [`RequestContext`] of its request.
    ///
    /// A server polls the body after the response future has ended, so the body needs the context
    /// too.
    pub struct CorrelationIdBody<B> {
        // None is an empty body: a default one, or one that is being dropped.
        #[pin]
        body: Option<B>,
        context: RequestContext,
        span: Span,
    }

    impl<B> PinnedDrop for CorrelationIdBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let _entered = this.span.enter();
            let body = Dropped(this.body);
            // A future that is dropped in its scope, and outside of any where there is none any
            // more: while a thread ends, its task-locals may be gone before the body is.
            drop(this.context.clone().scope(async move { drop(body) }));
        }
    }
}

/// Drops a pinned body.
struct Dropped<'a, B>(Pin<&'a mut Option<B>>);

impl<B> Drop for Dropped<'_, B> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

// ===== impl CorrelationIdLayer =====

impl CorrelationIdLayer {
    /// Creates the layer. There is nothing to configure.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for CorrelationIdLayer {
    type Service = CorrelationIdService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CorrelationIdService::new(inner)
    }
}

// ===== impl CorrelationIdService =====

impl<S> CorrelationIdService<S> {
    /// Creates a service that wraps `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for CorrelationIdService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<CorrelationIdBody<ResB>>;
    type Error = S::Error;
    type Future = CorrelationIdFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let sent = CorrelationId::from_headers(request.headers());
        let replaced = sent.is_none() && request.headers().contains_key(CORRELATION_ID);
        let id = sent.unwrap_or_else(|| {
            let id = new_correlation_id();
            request
                .headers_mut()
                .insert(CORRELATION_ID, id.to_header_value());
            id
        });
        request.extensions_mut().insert(id.clone());

        // A span of level ERROR, so that a filter for warnings keeps the id on the warnings.
        let span = tracing::error_span!("request", correlation_id = %id);
        if replaced {
            // Without its value: it was refused because it does not belong in a log.
            span.in_scope(|| {
                tracing::debug!("the request's correlation id is invalid and was replaced");
            });
        }
        let context = RequestContext::of_request(request.headers(), id);
        let future = span.in_scope(|| context.clone().in_scope(|| self.inner.call(request)));
        CorrelationIdFuture {
            future: context.clone().scope(future).instrument(span),
            context,
        }
    }
}

// ===== impl CorrelationIdFuture =====

impl<F, B, E> Future for CorrelationIdFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<CorrelationIdBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut response = ready!(this.future.as_mut().poll(cx))?;
        if let Some(id) = this.context.correlation_id() {
            response
                .headers_mut()
                .insert(CORRELATION_ID, id.to_header_value());
        }
        let (context, span) = (this.context.clone(), this.future.span().clone());
        Poll::Ready(Ok(response.map(|body| CorrelationIdBody {
            body: Some(body),
            context,
            span,
        })))
    }
}

impl<F> fmt::Debug for CorrelationIdFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorrelationIdFuture")
            .finish_non_exhaustive()
    }
}

// ===== impl CorrelationIdBody =====

/// An empty body that belongs to no request, for layers that make an answer of their own.
impl<B> Default for CorrelationIdBody<B> {
    fn default() -> Self {
        Self {
            body: None,
            context: RequestContext::default(),
            span: Span::none(),
        }
    }
}

impl<B: Body> Body for CorrelationIdBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let Some(body) = this.body.as_pin_mut() else {
            return Poll::Ready(None);
        };
        let _entered = this.span.enter();
        this.context.clone().in_scope(|| body.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> fmt::Debug for CorrelationIdBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorrelationIdBody").finish_non_exhaustive()
    }
}
