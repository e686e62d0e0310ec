//! The inner half, around the guard: it alone knows whether a service has sent the request.

use std::task::{Context, Poll};

use civic_auth::{Principal, RequestContext};
use civic_envelope::inner_accessors;
use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::withheld::Withheld;

/// Stands in place of a guard, behind an [`EdgeLayer`](super::EdgeLayer).
///
/// Behind the guard, the internal headers of a service's request are back, and the mark of a retry
/// is in the [`RequestContext`]. Put [`AdoptDeadlineLayer`](civic_auth::layer::AdoptDeadlineLayer)
/// inside of it, for the deadline. The requests of all others are without these headers.
///
/// Without an [`EdgeLayer`](super::EdgeLayer) outside, there is nothing to give back.
#[derive(Clone, Copy, Debug)]
pub struct EdgeGuardLayer<L> {
    guard: L,
}

/// Shows the guard what it reads of services. Made by [`EdgeGuardLayer`].
#[derive(Clone, Debug)]
pub struct EdgeReveal<S> {
    inner: S,
}

/// Gives a service's request its internal headers back. Made by [`EdgeGuardLayer`].
#[derive(Clone, Debug)]
pub struct EdgeAdmit<S> {
    inner: S,
}

// ===== impl EdgeGuardLayer =====

impl<L> EdgeGuardLayer<L> {
    /// Creates a layer for a service whose guard is `guard`, for example an
    /// [`AuthLayer`](civic_auth::AuthLayer).
    pub const fn new(guard: L) -> Self {
        Self { guard }
    }
}

impl<S, L> Layer<S> for EdgeGuardLayer<L>
where
    L: Layer<EdgeAdmit<S>>,
{
    type Service = EdgeReveal<L::Service>;

    fn layer(&self, inner: S) -> Self::Service {
        EdgeReveal::new(self.guard.layer(EdgeAdmit::new(inner)))
    }
}

// ===== impl EdgeReveal =====

impl<S> EdgeReveal<S> {
    /// Creates a service that wraps `inner`, a guarded service.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    inner_accessors!();
}

impl<S, B> Service<Request<B>> for EdgeReveal<S>
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
        if let Some(withheld) = request.extensions().get::<Withheld>().cloned() {
            withheld.reveal(request.headers_mut());
        }
        self.inner.call(request)
    }
}

// ===== impl EdgeAdmit =====

impl<S> EdgeAdmit<S> {
    /// Creates a service that wraps `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    inner_accessors!();
}

impl<S, B> Service<Request<B>> for EdgeAdmit<S>
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
        let is_service = request
            .extensions()
            .get::<Principal>()
            .is_some_and(Principal::is_service);
        let withheld = request.extensions_mut().remove::<Withheld>();
        match withheld.filter(|_| is_service) {
            Some(withheld) => {
                withheld.restore(request.headers_mut());
                RequestContext::current().adopt_retry_attempt_of(request.headers());
            }
            None => Withheld::hide(request.headers_mut()),
        }
        self.inner.call(request)
    }
}
