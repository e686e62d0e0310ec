//! A limit of requests in flight, above which requests are not taken.
//!
//! A service that takes more than it can do does all of it too late. Above the limit a request is
//! answered at once, before any handler or guard has seen it, with 503 and `Retry-After`. In this
//! platform that answer says *not taken*: a caller may repeat the request, whatever its method, and
//! `civic-client` does, within its budget. So nothing that has begun may ever answer like this, and
//! the limit belongs outside of the handlers and of everything that has an effect.
//!
//! A request counts until the last byte of its answer is handed on. Nothing waits for a place, and
//! `poll_ready` never does.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use civic_auth::RequestContext;
use civic_envelope::{Failure, inner_accessors};
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_layer::Layer;
use tower_service::Service;

use crate::layer::answer_body::AnswerBody;

/// How long a caller is asked to wait.
const RETRY_AFTER_SECONDS: u64 = 1;

/// Answers 503 to the requests above a limit, before anything has seen them.
///
/// All services that one layer makes, and all clones of the layer, share one limit. The answer has
/// an [`AtCapacity`] in its extensions.
#[derive(Clone, Debug)]
pub struct ShedLayer {
    limit: Limit,
}

/// Answers 503 to the requests above a limit. Made by [`ShedLayer`].
#[derive(Clone, Debug)]
pub struct Shed<S> {
    inner: S,
    limit: Limit,
}

/// Says in the extensions of an answer that [`ShedLayer`] did not take the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AtCapacity;

#[derive(Clone, Debug)]
struct Limit {
    places: Arc<Semaphore>,
    retry_after: u64,
}

pin_project! {
    /// The response future of [`Shed`].
    pub struct ShedFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Taken {
            #[pin]
            inner: F,
            place: Option<OwnedSemaphorePermit>,
        },
        Shed {
            answer: Option<Response<Bytes>>,
        },
    }
}

pin_project! {
    /// The response body of [`Shed`]. The request's place is free when it is dropped.
    #[derive(Debug)]
    pub struct ShedBody<B> {
        #[pin]
        inner: AnswerBody<B>,
        place: Option<OwnedSemaphorePermit>,
    }
}

// ===== impl ShedLayer =====

impl ShedLayer {
    /// Creates a layer that lets `max` requests in at a time.
    ///
    /// `max` is at most [`Semaphore::MAX_PERMITS`], about 2^61; more means the same.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            limit: Limit {
                places: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))),
                retry_after: RETRY_AFTER_SECONDS,
            },
        }
    }

    /// Sets how long a caller is asked to wait, rounded up to whole seconds.
    ///
    /// Defaults to 1 s.
    #[must_use]
    pub const fn with_retry_after(mut self, wait: Duration) -> Self {
        self.limit.retry_after = wait.as_secs() + (wait.subsec_nanos() > 0) as u64;
        self
    }
}

impl<S> Layer<S> for ShedLayer {
    type Service = Shed<S>;

    fn layer(&self, inner: S) -> Shed<S> {
        Shed {
            inner,
            limit: self.limit.clone(),
        }
    }
}

// ===== impl Shed =====

impl<S> Shed<S> {
    /// Creates a service that wraps `inner` and lets `max` requests in at a time.
    pub fn new(inner: S, max: usize) -> Self {
        ShedLayer::new(max).layer(inner)
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Shed<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<ShedBody<ResB>>;
    type Error = S::Error;
    type Future = ShedFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let state = match Arc::clone(&self.limit.places).try_acquire_owned() {
            Ok(place) => State::Taken {
                inner: self.inner.call(request),
                place: Some(place),
            },
            Err(_) => State::Shed {
                answer: Some(self.limit.refusal(&request)),
            },
        };
        ShedFuture { state }
    }
}

// ===== impl Limit =====

impl Limit {
    fn refusal<B>(&self, request: &Request<B>) -> Response<Bytes> {
        tracing::debug!("request not taken: the service is at its limit");
        let id = RequestContext::correlation_id_for(request.headers(), request.extensions());
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut answer: Response<Bytes> = Failure::new(status, "The service is at its limit")
            .with_header(RETRY_AFTER, HeaderValue::from(self.retry_after))
            .with_correlation_id(id)
            .into_response();
        answer.extensions_mut().insert(AtCapacity);
        if request.method() != Method::HEAD {
            return answer;
        }
        let length = answer.body().len().into();
        answer.headers_mut().insert(CONTENT_LENGTH, length);
        answer.map(|_| Bytes::new())
    }
}

// ===== impl ShedFuture =====

impl<F, B, E> Future for ShedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ShedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Taken { inner, place } => {
                let response = ready!(inner.poll(cx))?;
                let place = place.take();
                Poll::Ready(Ok(response.map(|body| ShedBody {
                    inner: AnswerBody::inner(body),
                    place,
                })))
            }
            StateProjection::Shed { answer } => {
                let answer = answer.take().expect("a future is not polled after its end");
                Poll::Ready(Ok(answer.map(|json| ShedBody {
                    inner: AnswerBody::from(json),
                    place: None,
                })))
            }
        }
    }
}

impl<F> fmt::Debug for ShedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShedFuture").finish_non_exhaustive()
    }
}

// ===== impl ShedBody =====

/// An empty body that has no place, for layers that make an answer of their own.
impl<B> Default for ShedBody<B> {
    fn default() -> Self {
        Self {
            inner: AnswerBody::default(),
            place: None,
        }
    }
}

impl<B: Body<Data = Bytes>> Body for ShedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
