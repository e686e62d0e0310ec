//! The layer and its service.

use std::task::{Context, Poll};

use bytes::Bytes;
use civic_auth::RequestContext;
use civic_envelope::inner_accessors;
use http::{Method, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::future::{Content, ErrorShapeFuture};
use crate::layer::answer_body::AnswerBody;

/// Answers every error in the platform's shape, with the request's correlation id.
///
/// The rules, and where the layer belongs in a stack, are described in the [module docs](super).
///
/// ```
/// use std::convert::Infallible;
///
/// use bytes::Bytes;
/// use civic_server::ErrorShapeLayer;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let handler = service_fn(|_: Request<()>| async {
///     let answer = Response::builder().status(404).body(Full::<Bytes>::default());
///     Ok::<_, Infallible>(answer.unwrap())
/// });
/// let response = ErrorShapeLayer::new().layer(handler).oneshot(Request::new(())).await.unwrap();
/// let body = response.into_body().collect().await.unwrap().to_bytes();
/// assert!(body.starts_with(br#"{"statusCode":404,"message":"Not Found","#));
/// # }
/// ```
#[doc(alias = "HttpExceptionFilter")]
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorShapeLayer {
    _private: (),
}

/// Answers every error in the platform's shape. Made by [`ErrorShapeLayer`].
#[derive(Clone, Copy, Debug)]
pub struct ErrorShape<S> {
    inner: S,
}

// ===== impl ErrorShapeLayer =====

impl ErrorShapeLayer {
    /// Creates the layer. There is nothing to configure.
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
    ResB: Body<Data = Bytes>,
{
    type Response = Response<AnswerBody<ResB>>;
    type Error = S::Error;
    type Future = ErrorShapeFuture<S::Future, ResB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let id = RequestContext::correlation_id_for(request.headers(), request.extensions());
        let content = match *request.method() {
            Method::HEAD => Content::Length,
            _ => Content::Sent,
        };
        ErrorShapeFuture::new(self.inner.call(request), id, content)
    }
}
