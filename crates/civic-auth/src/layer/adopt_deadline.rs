//! The deadline of the caller, adopted by the service that it calls.
//!
//! A caller says in `x-request-timeout-ms` how long it is going to wait. When that time has passed,
//! no one reads the answer: the work that goes on for it is lost, and in an overload it is what
//! keeps the service overloaded. So the request gets a deadline:
//!
//! 1. it is written into the [`RequestContext`], where the calls that the handler makes find it, so
//!    that each of them ends by then too and says so to its own callee;
//! 2. when it passes, the inner future is dropped, and the answer is 504 in the platform's error
//!    shape. It is never 503: that would say that the request was not taken.
//!
//! The header is one field with a number from 1 to 600 000. Anything else is ignored. It only ever
//! lowers a deadline that the context has already. A response body that streams is not cut: the
//! deadline covers the head.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody, inner_accessors};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_layer::Layer;
use tower_service::Service;

use super::body::AuthBody;
use crate::context::{RequestContext, single};

const REQUEST_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// The longest time that is adopted: ten minutes.
const MAX_MS: u64 = 600_000;

/// Gives each request the deadline of its caller, from `x-request-timeout-ms`.
///
/// When the deadline passes, the handler is dropped and the answer is 504.
///
/// It belongs inside of [`CorrelationIdLayer`](super::CorrelationIdLayer), which opens the scope
/// that the deadline is written into, and outside of everything that takes time. A service that
/// callers outside of the fleet can reach puts it behind its guard: a stranger could otherwise have
/// any request cancelled, if only its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct AdoptDeadlineLayer(());

/// Gives each request the deadline of its caller. Made by [`AdoptDeadlineLayer`].
#[derive(Clone, Debug)]
pub struct AdoptDeadline<S> {
    inner: S,
}

pin_project! {
    /// The response future of [`AdoptDeadline`].
    pub struct AdoptDeadlineFuture<F> {
        // `None` once the deadline has passed: the work is dropped before the answer is sent.
        #[pin]
        inner: Option<F>,
        #[pin]
        deadline: Option<Sleep>,
        correlation_id: Option<CorrelationId>,
        to_head: bool,
    }
}

// ===== impl AdoptDeadlineLayer =====

impl AdoptDeadlineLayer {
    /// Creates the layer. There is nothing to configure.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for AdoptDeadlineLayer {
    type Service = AdoptDeadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AdoptDeadline::new(inner)
    }
}

// ===== impl AdoptDeadline =====

impl<S> AdoptDeadline<S> {
    /// Creates a service that wraps `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for AdoptDeadline<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<AuthBody<ResB>>;
    type Error = S::Error;
    type Future = AdoptDeadlineFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let context = RequestContext::current();
        let asked = remaining(request.headers()).map(|remaining| Instant::now() + remaining);
        if let Some(asked) = asked {
            context.adopt_deadline(asked);
        }
        // Outside of any scope there is nothing to write into, and the request has its deadline
        // all the same.
        let deadline = context.deadline().or(asked);
        AdoptDeadlineFuture {
            correlation_id: RequestContext::correlation_id_for(
                request.headers(),
                request.extensions(),
            ),
            to_head: request.method() == Method::HEAD,
            deadline: deadline.map(sleep_until),
            inner: Some(self.inner.call(request)),
        }
    }
}

/// Returns how long the caller is going to wait, if it says so in a legal way.
fn remaining(headers: &HeaderMap) -> Option<Duration> {
    let value = single(headers, &REQUEST_TIMEOUT_MS)?.to_str().ok()?;
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis = value.parse().ok()?;
    (1..=MAX_MS)
        .contains(&millis)
        .then(|| Duration::from_millis(millis))
}

// ===== impl AdoptDeadlineFuture =====

impl<F, B, E> Future for AdoptDeadlineFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<AuthBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // The answer first: one that is ready in time must not lose to a timer that fires with it.
        if let Some(inner) = this.inner.as_mut().as_pin_mut()
            && let Poll::Ready(result) = inner.poll(cx)
        {
            return Poll::Ready(result.map(|response| response.map(AuthBody::inner)));
        }
        let Some(deadline) = this.deadline.as_pin_mut() else {
            return Poll::Pending;
        };
        ready!(deadline.poll(cx));
        this.inner.set(None);
        let correlation_id = this.correlation_id.take();
        tracing::debug!(
            correlation_id = correlation_id.as_ref().map(CorrelationId::as_str),
            "request cancelled: its caller has stopped waiting"
        );
        let message = "The caller's deadline has passed";
        let mut response: Response<Bytes> = ErrorBody::new(StatusCode::GATEWAY_TIMEOUT, message)
            .with_correlation_id(correlation_id)
            .into_response();
        if !*this.to_head {
            return Poll::Ready(Ok(response.map(AuthBody::from)));
        }
        let length = response.body().len().into();
        response.headers_mut().insert(CONTENT_LENGTH, length);
        Poll::Ready(Ok(response.map(|_| AuthBody::absent())))
    }
}

impl<F> fmt::Debug for AdoptDeadlineFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdoptDeadlineFuture")
            .finish_non_exhaustive()
    }
}
