//! What a call takes along from the request that is being served.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use civic_auth::{CORRELATION_ID, CorrelationId, RequestContext, new_correlation_id};
use civic_envelope::inner_accessors;
use http::{HeaderMap, HeaderName, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::attempt::RetryMark;
use crate::error::Error;
use crate::options::CallOptions;

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Gives each call what belongs to the request that is being served, and one correlation id.
///
/// The id is the [`CorrelationId`] in the request's extensions, else the one in a valid
/// `X-Correlation-Id` header of the request, else that of the request being served (civic-auth
/// keeps it in a task-local context), else a new one. The layer writes it to the request's
/// extensions and header, and to the extensions of the response or to the error, where
/// [`Error::correlation_id`] returns it.
///
/// From the [`RequestContext`] of the request being served, a call also takes
///
/// - the trace context, `traceparent` and `tracestate`, unless the request has a `traceparent`;
/// - the deadline: the call ends by then, or by its own deadline if that comes first;
/// - the mark of a retry: see [`RetryPolicy`](crate::RetryPolicy).
///
/// All of it is read once, in the task that makes the call. The layer belongs outside of the retry
/// layer, and of everything that moves a call to another task: it puts the [`RequestContext`] into
/// the request's extensions, where [`InternalHeadersLayer`](civic_auth::InternalHeadersLayer) finds
/// on whose behalf the call is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct PropagateContextLayer {
    _private: (),
}

impl PropagateContextLayer {
    /// Creates a layer that gives each call its context.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl<S> Layer<S> for PropagateContextLayer {
    type Service = PropagateContext<S>;

    fn layer(&self, inner: S) -> PropagateContext<S> {
        PropagateContext::new(inner)
    }
}

/// Gives each call its context, as [`PropagateContextLayer`] describes.
#[derive(Clone, Debug)]
pub struct PropagateContext<S> {
    inner: S,
}

impl<S> PropagateContext<S> {
    /// Creates a service that passes requests with their context to `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for PropagateContext<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<Error>,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = PropagateContextFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let context = RequestContext::current();
        let id = CorrelationId::of_request(request.headers(), request.extensions())
            .or_else(|| context.correlation_id().cloned())
            .unwrap_or_else(new_correlation_id);
        request
            .headers_mut()
            .insert(CORRELATION_ID, id.to_header_value());
        request.extensions_mut().insert(id.clone());
        propagate_trace(&context, request.headers_mut());
        if let Some(deadline) = context.deadline() {
            let options = CallOptions::of(request.extensions()).by(deadline);
            request.extensions_mut().insert(options);
        }
        if let Some(mark) = context.retry_attempt() {
            request.extensions_mut().insert(RetryMark(mark));
        }
        request.extensions_mut().insert(context);
        PropagateContextFuture {
            inner: self.inner.call(request),
            id,
        }
    }
}

fn propagate_trace(context: &RequestContext, headers: &mut HeaderMap) {
    let Some(traceparent) = context.traceparent() else {
        return;
    };
    if headers.contains_key(TRACEPARENT) {
        return;
    }
    headers.insert(TRACEPARENT, traceparent.clone());
    // A state belongs to its parent: without it, it is the state of another trace.
    headers.remove(TRACESTATE);
    if let Some(tracestate) = context.tracestate() {
        headers.insert(TRACESTATE, tracestate.clone());
    }
}

pin_project! {
    /// The future of [`PropagateContext`].
    #[derive(Debug)]
    pub struct PropagateContextFuture<F> {
        #[pin]
        inner: F,
        id: CorrelationId,
    }
}

impl<F, B, E> Future for PropagateContextFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<Error>,
{
    type Output = Result<Response<B>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx));
        let id = this.id.clone();
        Poll::Ready(match result {
            Ok(mut response) => {
                response.extensions_mut().insert(id);
                Ok(response)
            }
            Err(error) => Err(error.into().with_correlation_id(id)),
        })
    }
}
