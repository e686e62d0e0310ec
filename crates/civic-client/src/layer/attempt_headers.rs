//! What an attempt says about itself.

use std::task::{Context, Poll};
use std::time::Duration;

use civic_envelope::inner_accessors;
use http::{HeaderName, HeaderValue, Request};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use crate::attempt::{Attempt, EarlierAttempts, RetryMark};

const REQUEST_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");
const RETRY_ATTEMPT: HeaderName = HeaderName::from_static("x-retry-attempt");

/// A longer wait is not announced.
const MAX_TIMEOUT: Duration = Duration::from_millis(600_000);

/// The largest number that is sent.
const MAX_RETRY_ATTEMPT: u32 = 9;

/// Tells the peer how long the caller waits, and how often it has asked before.
///
/// | header | value |
/// |---|---|
/// | `x-request-timeout-ms` | how long this attempt may still take, in whole milliseconds, at least 1; absent above 600 000, and in a stack without [`AttemptTimeoutLayer`](super::AttemptTimeoutLayer) |
/// | `x-retry-attempt` | how many earlier attempts of the call may have reached the peer, or how many there were of the request being served, whichever is more; absent for none, at most 9 |
///
/// With the first, a peer stops when its caller has given up. With the second, it does not repeat
/// the calls that it makes for a request that is itself a repetition. Values that the request has
/// already are replaced: they would be those of another request.
///
/// The layer belongs inside of the attempt timeout, as far inside as possible: what is announced is
/// the time that is left when the request passes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct AttemptHeadersLayer {
    _private: (),
}

impl AttemptHeadersLayer {
    /// Creates a layer that tells the peer about each attempt.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl<S> Layer<S> for AttemptHeadersLayer {
    type Service = AttemptHeaders<S>;

    fn layer(&self, inner: S) -> AttemptHeaders<S> {
        AttemptHeaders::new(inner)
    }
}

/// Tells the peer about each attempt, as [`AttemptHeadersLayer`] describes.
#[derive(Clone, Debug)]
pub struct AttemptHeaders<S> {
    inner: S,
}

impl<S> AttemptHeaders<S> {
    /// Creates a service that passes requests with the headers to `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    inner_accessors!();
}

impl<S, B> Service<Request<B>> for AttemptHeaders<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let extensions = request.extensions();
        let timeout = Attempt::of(extensions)
            .map(|attempt| attempt.until.saturating_duration_since(Instant::now()))
            .filter(|remaining| *remaining <= MAX_TIMEOUT)
            .map(|remaining| HeaderValue::from((remaining.as_millis() as u64).max(1)));
        let earlier = extensions.get().map_or(0, |EarlierAttempts(count)| *count);
        let mark = extensions.get().map_or(0, |RetryMark(mark)| *mark);
        let attempt = earlier.max(mark.into()).min(MAX_RETRY_ATTEMPT);
        let attempt = (attempt > 0).then(|| HeaderValue::from(attempt));
        for (name, value) in [(REQUEST_TIMEOUT_MS, timeout), (RETRY_ATTEMPT, attempt)] {
            match value {
                Some(value) => drop(request.headers_mut().insert(name, value)),
                None => drop(request.headers_mut().remove(name)),
            }
        }
        self.inner.call(request)
    }
}
