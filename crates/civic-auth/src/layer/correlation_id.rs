//! One correlation id a request, on everything that the request causes.
//!
//! The id of the request's `X-Correlation-Id` header is taken if there is exactly one and it is
//! valid; else there is a new one. It is then
//!
//! 1. in the request's extensions and in its header, for everything inside;
//! 2. in the [`RequestContext`], together with the W3C trace context, while the inner service's `call`, its
//!    future and the response body run and are dropped;
//! 3. in a `tracing` span around the same, in the field `correlation_id`;
//! 4. in the header of the response, whatever its status and whoever made it inside.
//!
//! It belongs outside of every layer that may answer, the guard and a catcher of panics included: a
//! response that is made further out does not pass through here. What the context does not reach is
//! listed at [`RequestContext`].
//!
//! tower-http's `SetRequestIdLayer` takes over whatever came, unchecked and of any length, and knows
//! no context; hence this layer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use civic_envelope::{CORRELATION_ID, CorrelationId};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;
use tracing::instrument::{Instrument as _, Instrumented};

use crate::context::{RequestContext, Scoped};
use crate::correlation_id::new_correlation_id;

/// Gives each request its correlation id. Goes outside of every layer that may answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct CorrelationIdLayer(());

impl CorrelationIdLayer {
    /// A layer. There is nothing to configure.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for CorrelationIdLayer {
    type Service = Correlated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Correlated { inner }
    }
}

/// The service of [`CorrelationIdLayer`].
#[derive(Clone, Debug)]
pub struct Correlated<S> {
    inner: S,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Correlated<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<CorrelatedBody<ResB>>;
    type Error = S::Error;
    type Future = CorrelatedFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let sent = CorrelationId::from_headers(request.headers());
        let replaced = sent.is_none() && request.headers().contains_key(CORRELATION_ID);
        let id = sent.unwrap_or_else(new_correlation_id);
        request
            .headers_mut()
            .insert(CORRELATION_ID, id.to_header_value());
        request.extensions_mut().insert(id.clone());

        // An error span, so that a filter for warnings keeps the id on the warnings.
        let span = tracing::error_span!("request", correlation_id = %id);
        if replaced {
            // Never its value: it was refused because it does not belong into a log.
            span.in_scope(|| tracing::debug!("correlation id replaced"));
        }
        let context = RequestContext::current()
            .with_trace_of(request.headers())
            .with_correlation_id(id);
        let future = span.in_scope(|| context.clone().in_scope(|| self.inner.call(request)));
        CorrelatedFuture {
            future: context.clone().scope(future).instrument(span),
            context,
        }
    }
}

pin_project! {
    /// The future of [`Correlated`].
    pub struct CorrelatedFuture<F> {
        #[pin]
        future: Instrumented<Scoped<F>>,
        context: RequestContext,
    }
}

impl<F, B, E> Future for CorrelatedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<CorrelatedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut response = ready!(this.future.as_mut().poll(cx))?;
        if let Some(id) = this.context.correlation_id() {
            response
                .headers_mut()
                .insert(CORRELATION_ID, id.to_header_value());
        }
        let (context, span) = (this.context.clone(), this.future.span().clone());
        Poll::Ready(Ok(response.map(|body| CorrelatedBody {
            body: Some(body),
            context,
            span,
        })))
    }
}

impl<F> fmt::Debug for CorrelatedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorrelatedFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// A response body that runs in the [`RequestContext`] of its request: it is polled after the future has ended.
    pub struct CorrelatedBody<B> {
        // None is an empty body: a default one, or one that is being dropped.
        #[pin]
        body: Option<B>,
        context: RequestContext,
        span: Span,
    }

    impl<B> PinnedDrop for CorrelatedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered = this.span.enter();
            this.context.clone().in_scope(|| this.body.set(None));
        }
    }
}

/// An empty body of no request, which layers that answer themselves ask for.
impl<B> Default for CorrelatedBody<B> {
    fn default() -> Self {
        Self {
            body: None,
            context: RequestContext::default(),
            span: Span::none(),
        }
    }
}

impl<B: Body> Body for CorrelatedBody<B> {
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

impl<B> fmt::Debug for CorrelatedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorrelatedBody").finish_non_exhaustive()
    }
}
