//! A time limit per attempt.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use civic_envelope::inner_accessors;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_layer::Layer;
use tower_service::Service;

use crate::attempt::{Attempt, Progress};
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::options::{CallOptions, MIN_REMAINING};
use crate::phase::Phase;
use crate::transmission::Transmission;

/// Limits the time of each attempt.
///
/// The clock starts when the request is passed on and stops when the inner future completes. Above
/// [`CollectBodyLayer`](super::CollectBodyLayer) that includes the last byte of the body; directly
/// above a transport it would stop at the headers.
///
/// The limit is that of the call ([`CallOptions::with_attempt_timeout`]), else that of the layer;
/// if the call has a deadline, at most the time until then. When it passes, the inner future is
/// dropped, which closes its connection, and the error is [`ErrorKind::Timeout`], or
/// [`ErrorKind::Deadline`] if the deadline came first. A request that has less
/// than 50 ms of its deadline left is not passed on at all.
///
/// [`Error::phase`] says how far the attempt had come. One that was cut short before its request
/// was handed to a connection was never sent ([`Transmission::NotSent`]), and may be repeated with
/// every method. So was one whose body the peer had not asked for
/// ([`TransportConfig::with_ask_after`](crate::TransportConfig::with_ask_after)).
///
/// Unlike that of tower's timeout, the error has a type, and nothing waits in `poll_ready`.
#[derive(Clone, Copy, Debug)]
pub struct AttemptTimeoutLayer {
    timeout: Duration,
}

impl AttemptTimeoutLayer {
    /// The default limit: 10 s.
    pub const DEFAULT: Duration = Duration::from_secs(10);

    /// Creates a layer with this limit, which holds unless the call has its own.
    #[must_use]
    pub const fn new(timeout: Duration) -> Self {
        Self { timeout }
    }
}

impl Default for AttemptTimeoutLayer {
    /// Creates a layer with the limit [`AttemptTimeoutLayer::DEFAULT`].
    fn default() -> Self {
        Self::new(Self::DEFAULT)
    }
}

impl<S> Layer<S> for AttemptTimeoutLayer {
    type Service = AttemptTimeout<S>;

    fn layer(&self, inner: S) -> AttemptTimeout<S> {
        AttemptTimeout::new(inner, self.timeout)
    }
}

/// Limits the time of each attempt, as [`AttemptTimeoutLayer`] describes.
#[derive(Clone, Debug)]
pub struct AttemptTimeout<S> {
    inner: S,
    timeout: Duration,
}

impl<S> AttemptTimeout<S> {
    /// Creates a service that gives each call of `inner` this limit, unless the call has its own.
    pub const fn new(inner: S, timeout: Duration) -> Self {
        Self { inner, timeout }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for AttemptTimeout<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<Error>,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = AttemptTimeoutFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let options = CallOptions::of(request.extensions());
        let timeout = options.attempt_timeout().unwrap_or(self.timeout);
        let now = Instant::now();
        // An instant that cannot be represented is as good as none. Thirty years is tokio's own far
        // future.
        let own = now
            .checked_add(timeout)
            .unwrap_or(now + Duration::from_secs(86_400 * 365 * 30));
        let (until, kind) = match options.deadline() {
            Some(deadline) if deadline <= own => (deadline, ErrorKind::Deadline),
            _ => (own, ErrorKind::Timeout),
        };
        // Otherwise the inner service would begin work for a caller that has given up.
        let passed = kind == ErrorKind::Deadline && until < now + MIN_REMAINING;
        let progress = Arc::new(Progress::default());
        let attempt = Attempt {
            until,
            progress: Arc::clone(&progress),
        };
        request.extensions_mut().insert(attempt);
        AttemptTimeoutFuture {
            inner: (!passed).then(|| self.inner.call(request)),
            sleep: sleep_until(until),
            kind,
            progress,
        }
    }
}

pin_project! {
    /// The future of [`AttemptTimeout`].
    #[derive(Debug)]
    pub struct AttemptTimeoutFuture<F> {
        // `None` if the deadline left no time for the call.
        #[pin]
        inner: Option<F>,
        #[pin]
        sleep: Sleep,
        kind: ErrorKind,
        progress: Arc<Progress>,
    }
}

impl<F, T, E> Future for AttemptTimeoutFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<Error>,
{
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let sent = if let Some(inner) = this.inner.as_pin_mut() {
            // The response first: one that is ready in time must not lose to a timer that fires
            // with it.
            if let Poll::Ready(result) = inner.poll(cx) {
                let phase = this.progress.phase();
                return Poll::Ready(result.map_err(|error| error.into().with_phase(phase)));
            }
            ready!(this.sleep.poll(cx));
            // A transport that notes no phase may have sent it.
            this.progress
                .phase()
                .is_none_or(|phase| phase >= Phase::Sending)
                && !this.progress.withhold()
        } else {
            false
        };
        let transmission = if sent {
            Transmission::Unknown
        } else {
            Transmission::NotSent
        };
        Poll::Ready(Err(Error::new(*this.kind)
            .with_transmission(transmission)
            .with_phase(this.progress.phase())))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;

    use tower::{ServiceExt, service_fn};

    use super::*;

    async fn timed_out_in(phase: Option<Phase>) -> Error {
        let hanging = service_fn(move |request: Request<()>| {
            let attempt = Attempt::of(request.extensions()).expect("an attempt");
            if let Some(phase) = phase {
                attempt.progress.advance(phase);
            }
            pending::<Result<Response<()>, Infallible>>()
        });
        AttemptTimeoutLayer::default()
            .layer(hanging)
            .oneshot(Request::new(()))
            .await
            .expect_err("nothing answers")
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_says_its_phase_and_is_never_sent_before_a_connection_had_the_request() {
        let cases = [
            (None, Transmission::Unknown),
            (Some(Phase::Resolving), Transmission::NotSent),
            (Some(Phase::Connecting), Transmission::NotSent),
            (Some(Phase::Sending), Transmission::Unknown),
            (Some(Phase::Waiting), Transmission::Unknown),
            (Some(Phase::Body), Transmission::Unknown),
        ];
        for (phase, transmission) in cases {
            let error = timed_out_in(phase).await;
            assert_eq!(error.kind(), ErrorKind::Timeout, "{phase:?}");
            assert_eq!(error.phase(), phase);
            assert_eq!(error.transmission(), transmission, "{phase:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_had_passed_is_never_sent() {
        let mut request = Request::new(());
        let options = CallOptions::new().with_deadline(Instant::now());
        request.extensions_mut().insert(options);
        let error = AttemptTimeoutLayer::default()
            .layer(service_fn(|_: Request<()>| async {
                Ok::<_, Infallible>(Response::new(()))
            }))
            .oneshot(request)
            .await
            .expect_err("the deadline has passed");
        assert_eq!(error.kind(), ErrorKind::Deadline);
        assert_eq!(error.transmission(), Transmission::NotSent);
    }
}
