//! What metrics are made of: one event per request, when its answer has ended.
//!
//! Every value of an event that becomes a label has few values, whatever callers send: the method
//! is one of the nine of HTTP or `_OTHER`, the route is the template of the router and never the
//! path, the status is a number of three digits. The names are those of OpenTelemetry's
//! [HTTP server metrics](https://opentelemetry.io/docs/specs/semconv/http/http-metrics/).
//!
//! | value | label | example |
//! |---|---|---|
//! | [`method`](RequestEvent::method) | `http.request.method` | `GET` |
//! | [`route`](RequestEvent::route) | `http.route` | `/api/billing/bills/{id}`; absent for an unknown path |
//! | [`status`](RequestEvent::status) | `http.response.status_code` | `200`; absent if there was no answer |
//! | [`outcome`](RequestEvent::outcome) | `error.type`, where it is not `answered` | `cut_off`, `no_answer` |
//! | [`duration`](RequestEvent::duration) | the measured value, `http.server.request.duration` | |

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::MatchedPath;
use civic_envelope::inner_accessors;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// Tells an observer about each request, when its answer has ended.
///
/// It belongs outside of everything that may answer, and inside an axum router (its `.layer`), or
/// the route is not known.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use civic_server::layer::ObserveLayer;
///
/// let failed = Arc::new(AtomicU64::new(0));
/// let counter = Arc::clone(&failed);
/// let layer = ObserveLayer::new(move |event| {
///     if event.status.is_some_and(|status| status.is_server_error()) {
///         counter.fetch_add(1, Ordering::Relaxed);
///     }
/// });
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct ObserveLayer {
    observer: Observer,
}

/// Tells an observer about each request. Made by [`ObserveLayer`].
#[derive(Clone)]
pub struct Observe<S> {
    inner: S,
    observer: Observer,
}

/// A request that has ended, as [`ObserveLayer`] tells it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestEvent<'a> {
    /// The method, or `_OTHER` for one that HTTP does not define.
    pub method: &'static str,
    /// The template of the route, such as `/api/billing/bills/{id}`. `None` for a path that no
    /// route has.
    pub route: Option<&'a str>,
    /// The status of the answer. `None` if there was none.
    pub status: Option<StatusCode>,
    /// The time from the request's head to the end of the answer's body.
    pub duration: Duration,
    /// How the request ended.
    pub outcome: RequestOutcome,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// The whole answer was handed to the connection.
    Answered,
    /// The answer's body broke off, or its caller has gone before its end.
    CutOff,
    /// The caller has gone before there was an answer, or the service has failed.
    NoAnswer,
}

#[derive(Clone)]
struct Observer(Arc<dyn Fn(&RequestEvent<'_>) + Send + Sync>);

/// Tells the observer when it is dropped.
struct Observation {
    observer: Observer,
    method: &'static str,
    route: Option<MatchedPath>,
    began: Instant,
    status: Option<StatusCode>,
    outcome: RequestOutcome,
}

pin_project! {
    /// The response future of [`Observe`].
    pub struct ObserveFuture<F> {
        #[pin]
        inner: F,
        observation: Option<Observation>,
    }
}

pin_project! {
    /// The response body of [`Observe`]. The observer is told when it is dropped.
    pub struct ObserveBody<B> {
        // `None` is an empty body.
        #[pin]
        inner: Option<B>,
        observation: Option<Observation>,
    }
}

// ===== impl ObserveLayer =====

impl ObserveLayer {
    /// Creates a layer that tells `observer` about each request.
    ///
    /// The observer is called while the answer is being dropped. It must not block, and must not
    /// panic.
    #[must_use]
    pub fn new(observer: impl Fn(&RequestEvent<'_>) + Send + Sync + 'static) -> Self {
        Self {
            observer: Observer(Arc::new(observer)),
        }
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Observe<S> {
        Observe {
            inner,
            observer: self.observer.clone(),
        }
    }
}

impl fmt::Debug for ObserveLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveLayer").finish_non_exhaustive()
    }
}

// ===== impl Observe =====

impl<S> Observe<S> {
    /// Creates a service that wraps `inner` and tells `observer` about each request.
    pub fn new(inner: S, observer: impl Fn(&RequestEvent<'_>) + Send + Sync + 'static) -> Self {
        ObserveLayer::new(observer).layer(inner)
    }

    inner_accessors!();
}

impl<S: fmt::Debug> fmt::Debug for Observe<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observe")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Observe<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body,
{
    type Response = Response<ObserveBody<ResB>>;
    type Error = S::Error;
    type Future = ObserveFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let observation = Some(Observation {
            observer: self.observer.clone(),
            method: label(request.method()),
            route: request.extensions().get().cloned(),
            began: Instant::now(),
            status: None,
            outcome: RequestOutcome::NoAnswer,
        });
        ObserveFuture {
            inner: self.inner.call(request),
            observation,
        }
    }
}

/// Returns the method as a label.
pub(crate) fn label(method: &Method) -> &'static str {
    const KNOWN: [(&Method, &str); 9] = [
        (&Method::GET, "GET"),
        (&Method::POST, "POST"),
        (&Method::PUT, "PUT"),
        (&Method::PATCH, "PATCH"),
        (&Method::DELETE, "DELETE"),
        (&Method::HEAD, "HEAD"),
        (&Method::OPTIONS, "OPTIONS"),
        (&Method::CONNECT, "CONNECT"),
        (&Method::TRACE, "TRACE"),
    ];
    KNOWN
        .iter()
        .find(|(known, _)| *known == method)
        .map_or("_OTHER", |(_, label)| label)
}

// ===== impl RequestOutcome =====

impl RequestOutcome {
    /// Returns the outcome as a label: `answered`, `cut_off` or `no_answer`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::CutOff => "cut_off",
            Self::NoAnswer => "no_answer",
        }
    }
}

// ===== impl Observation =====

impl Drop for Observation {
    fn drop(&mut self) {
        (self.observer.0)(&RequestEvent {
            method: self.method,
            route: self.route.as_ref().map(MatchedPath::as_str),
            status: self.status,
            duration: self.began.elapsed(),
            outcome: self.outcome,
        });
    }
}

// ===== impl ObserveFuture =====

impl<F, B, E> Future for ObserveFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ObserveBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let mut observation = this.observation.take();
        if let Some(observation) = &mut observation {
            observation.status = Some(response.status());
            observation.outcome = if response.body().is_end_stream() {
                RequestOutcome::Answered
            } else {
                RequestOutcome::CutOff
            };
        }
        Poll::Ready(Ok(response.map(|body| ObserveBody {
            inner: Some(body),
            observation,
        })))
    }
}

impl<F> fmt::Debug for ObserveFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveFuture").finish_non_exhaustive()
    }
}

// ===== impl ObserveBody =====

/// An empty body that no observer is told of, for layers that make an answer of their own.
impl<B> Default for ObserveBody<B> {
    fn default() -> Self {
        Self {
            inner: None,
            observation: None,
        }
    }
}

impl<B: Body> Body for ObserveBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(mut body) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(body.as_mut().poll_frame(cx));
        let ended = match &frame {
            None => true,
            // A server that has every byte need not ask for the end.
            Some(Ok(_)) => body.is_end_stream(),
            Some(Err(_)) => false,
        };
        if let Some(observation) = this.observation
            && ended
        {
            observation.outcome = RequestOutcome::Answered;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> fmt::Debug for ObserveBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserveBody").finish_non_exhaustive()
    }
}
