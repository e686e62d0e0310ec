//! The service that the layer makes, whatever its options are.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;
use tower_service::Service;

/// A service in the standard stack. Made by [`StackLayer`](super::StackLayer).
#[derive(Clone)]
pub struct Stack {
    inner: BoxCloneSyncService<Request, Response, Infallible>,
}

/// The response future of [`Stack`].
pub struct StackFuture(Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>);

// ===== impl Stack =====

impl Stack {
    /// Hides the type of a service and of its bodies.
    pub(super) fn new<S, B>(inner: S) -> Self
    where
        S: Service<Request, Response = http::Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let inner = inner.map_response(|response: http::Response<B>| response.map(Body::new));
        Self {
            inner: BoxCloneSyncService::new(inner),
        }
    }
}

impl Service<Request> for Stack {
    type Response = Response;
    type Error = Infallible;
    type Future = StackFuture;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> StackFuture {
        StackFuture(self.inner.call(request))
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}

// ===== impl StackFuture =====

impl Future for StackFuture {
    type Output = Result<Response, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for StackFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackFuture").finish_non_exhaustive()
    }
}
