//! Tells an observer of calls and attempts.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use civic_auth::CorrelationId;
use civic_envelope::inner_accessors;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::layer::retry::attempts::{AttemptNumber, Attempts};
use crate::observe::{AttemptEnd, CallEnd, CallInfo, Ending, Observer};
use crate::options::CallOptions;
use crate::streaming::{Held, StreamSlot};
use crate::url_template::UrlTemplate;

/// Tells an [`Observer`] of each call, or of each attempt.
///
/// [`of_calls`](Self::of_calls) belongs outside of the retry layer and inside of
/// [`PropagateContextLayer`](super::PropagateContextLayer), which gives the call its correlation
/// id. [`of_attempts`](Self::of_attempts) belongs inside of the retry layer and of
/// [`AttemptSpanLayer`](super::AttemptSpanLayer), so that what the observer logs is in the span of
/// the attempt, and outside of [`AttemptTimeoutLayer`](super::AttemptTimeoutLayer): inside of the
/// timeout, an attempt that timed out looks like one that was cancelled.
///
/// In the default stack both are there if the client has an
/// [`observer`](crate::ServiceClientBuilder::observer).
#[derive(Clone)]
pub struct ObserveLayer {
    observer: Arc<dyn Observer>,
    scope: Scope,
}

#[derive(Clone, Copy, Debug)]
enum Scope {
    Calls,
    Attempts,
}

impl ObserveLayer {
    /// Creates a layer that tells `observer` of what passes it as of calls.
    #[must_use]
    pub fn of_calls(observer: impl Observer) -> Self {
        Self {
            observer: Arc::new(observer),
            scope: Scope::Calls,
        }
    }

    /// Creates a layer that tells `observer` of what passes it as of attempts.
    #[must_use]
    pub fn of_attempts(observer: impl Observer) -> Self {
        Self {
            observer: Arc::new(observer),
            scope: Scope::Attempts,
        }
    }
}

impl fmt::Debug for ObserveLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveLayer")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe::new(inner, self.clone())
    }
}

/// Tells an observer of each call of a service, as [`ObserveLayer`] describes.
#[derive(Clone, Debug)]
pub struct Observe<S> {
    inner: S,
    layer: ObserveLayer,
}

impl<S> Observe<S> {
    /// Creates a service whose calls of `inner` are told as `layer` says.
    pub const fn new(inner: S, layer: ObserveLayer) -> Self {
        Self { inner, layer }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Observe<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<Error>,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = ObserveFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let extensions = request.extensions();
        let number = extensions
            .get()
            .map_or(1, |number: &AttemptNumber| number.number());
        let under_way = UnderWay {
            layer: self.layer.clone(),
            method: request.method().clone(),
            template: extensions.get().cloned(),
            authority: request.uri().authority().cloned(),
            correlation_id: extensions.get().cloned(),
            number,
            start: Instant::now(),
            attempts: 0,
            ending: Ending::Cancelled,
            deadline: CallOptions::of(extensions).deadline(),
        };
        let observer = &self.layer.observer;
        match self.layer.scope {
            Scope::Calls => observer.call_started(&under_way.info()),
            Scope::Attempts => observer.attempt_started(&under_way.info(), number),
        }
        ObserveFuture {
            inner: self.inner.call(request),
            under_way: Some(under_way),
        }
    }
}

/// A call or an attempt under way. When it is dropped, the observer is told how it has ended.
struct UnderWay {
    layer: ObserveLayer,
    method: Method,
    template: Option<UrlTemplate>,
    authority: Option<Authority>,
    correlation_id: Option<CorrelationId>,
    number: u32,
    start: Instant,
    attempts: u32,
    ending: Ending,
    /// When the call is cut that has no head yet. What cuts it may stand above this layer.
    deadline: Option<Instant>,
}

/// A call or an attempt whose response is read as a stream.
struct Streamed {
    under_way: UnderWay,
    status: StatusCode,
}

impl Held for Streamed {
    fn completed(&mut self) {
        self.under_way.ending = Ending::Answered(self.status);
    }

    fn broke(&mut self, error: &Error) {
        self.under_way.ending = Ending::Failed(error.kind());
    }
}

impl UnderWay {
    fn info(&self) -> CallInfo<'_> {
        CallInfo {
            method: &self.method,
            template: self.template.as_ref(),
            authority: self.authority.as_ref(),
            correlation_id: self.correlation_id.as_ref(),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let is_late = self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        if self.ending == Ending::Cancelled && is_late {
            self.ending = Ending::Failed(ErrorKind::Deadline);
        }
        let (info, took) = (self.info(), self.start.elapsed());
        let observer = &self.layer.observer;
        match self.layer.scope {
            Scope::Calls => {
                observer.call_ended(&info, &CallEnd::new(self.ending, self.attempts, took));
            }
            Scope::Attempts => {
                observer.attempt_ended(&info, &AttemptEnd::new(self.ending, self.number, took));
            }
        }
    }
}

pin_project! {
    /// The future of [`Observe`].
    pub struct ObserveFuture<F> {
        #[pin]
        inner: F,
        // `None` once it has ended.
        under_way: Option<UnderWay>,
    }
}

impl<F> fmt::Debug for ObserveFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObserveFuture")
    }
}

impl<F, B, E> Future for ObserveFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<Error>,
{
    type Output = Result<Response<B>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx)).map_err(Into::into);
        if let Some(mut under_way) = this.under_way.take() {
            under_way.deadline = None;
            match &result {
                Ok(response) => {
                    let status = response.status();
                    let attempts = response.extensions().get::<Attempts>();
                    under_way.attempts = attempts.map_or(1, |attempts| attempts.made());
                    match StreamSlot::of(response.extensions()) {
                        Some(slot) => slot.hold(Streamed { under_way, status }),
                        None => under_way.ending = Ending::Answered(status),
                    }
                }
                Err(error) => {
                    under_way.ending = Ending::Failed(error.kind());
                    under_way.attempts = error.attempts();
                }
            }
        }
        Poll::Ready(result)
    }
}
