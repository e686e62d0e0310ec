//! The correlation id in error answers that were made without it.
//!
//! A handler that returns a [`Failure`](civic_envelope::Failure), or an extractor that rejects a
//! request, does not know the request's id. The answer carries its
//! [`ErrorBody`](civic_envelope::ErrorBody) in the response's extensions; this layer writes the id
//! into it and renders the body again. An id that the body has already is kept. Other answers pass
//! untouched.
//!
//! Its place is inside `CorrelationIdLayer`, which gives the request its id, and inside of what
//! compresses or wraps bodies.

use std::task::{Context, Poll};

use civic_envelope::{CorrelationId, inner_accessors};
use http::{Method, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::layer::body::ErrorShapeBody;
use crate::layer::future::{Content, ErrorShapeFuture};

/// Writes the request's correlation id into error answers that were made without it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorShapeLayer {
    _private: (),
}

/// The service that [`ErrorShapeLayer`] makes.
#[derive(Clone, Copy, Debug)]
pub struct ErrorShape<S> {
    inner: S,
}

// ===== impl ErrorShapeLayer =====

impl ErrorShapeLayer {
    /// Creates the layer.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl<S> Layer<S> for ErrorShapeLayer {
    type Service = ErrorShape<S>;

    fn layer(&self, inner: S) -> ErrorShape<S> {
        ErrorShape::new(inner)
    }
}

// ===== impl ErrorShape =====

impl<S> ErrorShape<S> {
    /// Wraps a service.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for ErrorShape<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<ErrorShapeBody<ResB>>;
    type Error = S::Error;
    type Future = ErrorShapeFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let id = CorrelationId::of_request(request.headers(), request.extensions());
        let content = match *request.method() {
            Method::HEAD => Content::Length,
            _ => Content::Sent,
        };
        ErrorShapeFuture::new(self.inner.call(request), id, content)
    }
}
