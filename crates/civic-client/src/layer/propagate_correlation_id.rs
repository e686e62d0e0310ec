//! One correlation id per call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use civic_auth::{CORRELATION_ID, CorrelationId, RequestContext, new_correlation_id};
use civic_envelope::inner_accessors;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::error::Error;

/// Gives each call one correlation id, the same on each attempt.
///
/// The id is the [`CorrelationId`] in the request's extensions, else the one in a valid
/// `X-Correlation-Id` header of the request, else that of the request being served (civic-auth
/// keeps it in a task-local context), else a new one. The layer writes it to the request's
/// extensions and header, and to the extensions of the response or to the error, where
/// [`Error::correlation_id`] returns it.
///
/// It belongs outside of the retry layer: inside, each attempt could get an id of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct PropagateCorrelationIdLayer {
    _private: (),
}

impl PropagateCorrelationIdLayer {
    /// Creates a layer that gives each call one correlation id.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl<S> Layer<S> for PropagateCorrelationIdLayer {
    type Service = PropagateCorrelationId<S>;

    fn layer(&self, inner: S) -> PropagateCorrelationId<S> {
        PropagateCorrelationId::new(inner)
    }
}

/// Gives each call one correlation id, as [`PropagateCorrelationIdLayer`] describes.
#[derive(Clone, Debug)]
pub struct PropagateCorrelationId<S> {
    inner: S,
}

impl<S> PropagateCorrelationId<S> {
    /// Creates a service that passes requests with a correlation id to `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for PropagateCorrelationId<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<Error>,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = PropagateCorrelationIdFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let id = RequestContext::correlation_id_for(request.headers(), request.extensions())
            .unwrap_or_else(new_correlation_id);
        request
            .headers_mut()
            .insert(CORRELATION_ID, id.to_header_value());
        request.extensions_mut().insert(id.clone());
        PropagateCorrelationIdFuture {
            inner: self.inner.call(request),
            id,
        }
    }
}

pin_project! {
    /// The future of [`PropagateCorrelationId`].
    #[derive(Debug)]
    pub struct PropagateCorrelationIdFuture<F> {
        #[pin]
        inner: F,
        id: CorrelationId,
    }
}

impl<F, B, E> Future for PropagateCorrelationIdFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<Error>,
{
    type Output = Result<Response<B>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let id = this.id.clone();
        Poll::Ready(match ready!(this.inner.poll(cx)) {
            Ok(mut response) => {
                response.extensions_mut().insert(id);
                Ok(response)
            }
            Err(error) => Err(error.into().with_correlation_id(id)),
        })
    }
}
