//! One request per key at a time, among all replicas.
//!
//! [`LockLayer`] takes a lock before it calls the inner service and releases it when the response
//! *body* has ended or is dropped: a body that streams is part of the work.
//!
//! 1. The key of a request is computed by a function of the request's head. No key: no lock.
//! 2. The lock is free: the request goes in, with the [`Lease`] among its extensions.
//! 3. Somebody else has it: `409 Conflict` with `Retry-After`. Nobody waits in line.
//! 4. The store cannot be asked: `503 Service Unavailable` with `Retry-After`, which says that the
//!    request was not taken. (A service that [fails open](crate::OnUnavailable::FailOpen) lets it in.)
//! 5. The lease is lost while the request is served: the inner future is dropped and the answer is
//!    `503` *without* `Retry-After`, because part of the work may have been done. A body that was
//!    being sent ends with an error, so that it cannot pass for a whole one.
//!
//! Answers have the platform's error body. Nothing waits and nothing fails in `poll_ready`.
//!
//! Not promised: fairness, and exclusion of work that the handler has spawned and left behind. As
//! with every lease, a process that was stopped for longer than the ttl needs the
//! [fence](Lease::fence).
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use civic_lock::{Lease, LockLayer, LockService};
//! use http::{Request, Response, StatusCode, request::Parts};
//! use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let locks = LockService::builder().host_folder(folder.path().join("locks")).build()?;
//! // One import per municipality at a time.
//! let layer = LockLayer::new(&locks, Duration::from_secs(30), |head: &Parts| {
//!     head.uri.path().strip_prefix("/import/").map(|town| format!("import:{town}"))
//! })?;
//! let service = ServiceBuilder::new().layer(layer).service(service_fn(
//!     async |request: Request<()>| {
//!         let lease = request.extensions().get::<Lease>().expect("the layer is there");
//!         assert_eq!(lease.name().as_str(), "import:springfield");
//!         Ok::<_, std::convert::Infallible>(Response::new(Full::<bytes::Bytes>::default()))
//!     },
//! ));
//!
//! let first = service.clone().oneshot(Request::get("/import/springfield").body(())?).await?;
//! assert_eq!(first.status(), StatusCode::OK);
//! // The first response is still there, body and all, and so is its lock.
//! let second = service.oneshot(Request::get("/import/springfield").body(())?).await?;
//! assert_eq!(second.status(), StatusCode::CONFLICT);
//! # Ok(())
//! # }
//! ```

use std::fmt::{self, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody};
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::timing::Ttl;
use crate::{Acquisition, Error, ErrorKind, Lease, LeaseGuard, LockService};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Lets one request per key in. See the [module documentation](self).
#[derive(Clone)]
pub struct LockLayer {
    settings: Arc<Settings>,
}

/// The service of [`LockLayer`].
#[derive(Clone)]
pub struct Lock<S> {
    inner: S,
    settings: Arc<Settings>,
}

type FromHead = dyn Fn(&Parts) -> Option<String> + Send + Sync;

#[derive(Clone)]
struct Settings {
    locks: LockService,
    ttl: Duration,
    key: Arc<FromHead>,
    correlation_id: Arc<FromHead>,
    retry_after: Duration,
}

pin_project! {
    /// The response future of [`Lock`].
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
        correlation_id: Option<String>,
        retry_after: Duration,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Acquiring {
            acquiring: BoxFuture<Acquisition>,
            // Both are taken when the lock is.
            inner: Option<S>,
            request: Option<Request<B>>,
        },
        Unlocked {
            #[pin]
            running: F,
        },
        Locked {
            #[pin]
            running: F,
            guard: Option<LeaseGuard>,
            lost: BoxFuture<()>,
        },
        Done,
    }
}

pin_project! {
    /// The response body of [`Lock`]: it has the lock until it has ended or is dropped.
    pub struct LockBody<B> {
        #[pin]
        inner: BodyKind<B>,
        held: Option<Held>,
    }
}

pin_project! {
    #[project = BodyKindProjection]
    enum BodyKind<B> {
        Passed { #[pin] body: B },
        Made { body: Option<Bytes> },
    }
}

struct Held {
    guard: LeaseGuard,
    lost: BoxFuture<()>,
}

// ===== impl LockLayer =====

impl LockLayer {
    /// Locks by `key`, with leases of this `ttl`, which renew themselves.
    ///
    /// Braces, control characters and `%` in a key are percent-encoded, so that every key is a lock
    /// name and different keys stay different; one that is longer than a name may be is answered
    /// with `400`. Put something in front of it that tells it from the names of other locks.
    ///
    /// # Errors
    ///
    /// The ttl is not one that a lease can have.
    pub fn new(
        locks: &LockService,
        ttl: Duration,
        key: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Ttl::new(ttl)?;
        Ok(Self {
            settings: Arc::new(Settings {
                locks: locks.clone(),
                ttl,
                key: Arc::new(key),
                correlation_id: Arc::new(correlation_id_header),
                retry_after: Duration::from_secs(1),
            }),
        })
    }

    /// What `Retry-After` says to those who are turned away, in whole seconds, rounded up.
    ///
    /// Defaults to 1 s. (The ttl is no better guess: it is renewed as long as the request runs.)
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        Arc::make_mut(&mut self.settings).retry_after = after;
        self
    }

    /// Where the correlation id of the error body comes from.
    ///
    /// Defaults to the request's `x-correlation-id`, if it is 1 to 128 characters of
    /// `[A-Za-z0-9._:-]`.
    #[must_use]
    pub fn correlation_id(
        mut self,
        of: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.settings).correlation_id = Arc::new(of);
        self
    }
}

impl<S> Layer<S> for LockLayer {
    type Service = Lock<S>;

    fn layer(&self, inner: S) -> Lock<S> {
        Lock {
            inner,
            settings: self.settings.clone(),
        }
    }
}

impl fmt::Debug for LockLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.debug("LockLayer", f)
    }
}

// ===== impl Lock =====

impl<S, ReqB, ResB> Service<Request<ReqB>> for Lock<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    ResB: Body<Data = Bytes>,
    ResB::Error: Into<BoxError>,
{
    type Response = Response<LockBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let settings = &self.settings;
        let (head, body) = request.into_parts();
        let key = (settings.key)(&head).map(|key| encoded(&key));
        let correlation_id = key.as_ref().and_then(|_| (settings.correlation_id)(&head));
        let request = Request::from_parts(head, body);
        let state = match key {
            None => State::Unlocked {
                running: self.inner.call(request),
            },
            Some(key) => {
                // The instance that was polled ready is the one to be called.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                let lock = settings.locks.lock(key, settings.ttl);
                State::Acquiring {
                    acquiring: Box::pin(lock.take()),
                    inner: Some(ready),
                    request: Some(request),
                }
            }
        };
        ResponseFuture {
            state,
            correlation_id,
            retry_after: settings.retry_after,
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Lock<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

// ===== impl ResponseFuture =====

impl<S, ReqB, ResB> Future for ResponseFuture<S, ReqB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
{
    type Output = Result<Response<LockBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Acquiring {
                    acquiring,
                    inner,
                    request,
                } => match ready!(acquiring.as_mut().poll(cx)) {
                    Acquisition::Acquired(guard) => {
                        let (Some(mut inner), Some(mut request)) = (inner.take(), request.take())
                        else {
                            unreachable!("taken only on the way out of this state");
                        };
                        let lease = guard.lease().clone();
                        request.extensions_mut().insert(lease.clone());
                        State::Locked {
                            running: inner.call(request),
                            guard: Some(guard),
                            lost: lost(lease),
                        }
                    }
                    refused => {
                        let answer = refusal(&refused, *this.retry_after);
                        return Poll::Ready(Ok(answer.into_response(this.correlation_id.take())));
                    }
                },
                StateProjection::Unlocked { running } => {
                    let response = ready!(running.poll(cx))?;
                    return Poll::Ready(Ok(response.map(|body| LockBody::passed(body, None))));
                }
                StateProjection::Locked {
                    running,
                    guard,
                    lost,
                } => {
                    // What has ended is not thrown away.
                    if let Poll::Ready(response) = running.poll(cx) {
                        let lost = std::mem::replace(lost, Box::pin(std::future::pending()));
                        let held = guard.take().map(|guard| Held { guard, lost });
                        return Poll::Ready(
                            response
                                .map(|response| response.map(|body| LockBody::passed(body, held))),
                        );
                    }
                    ready!(lost.as_mut().poll(cx));
                    let answer = Refusal {
                        status: StatusCode::SERVICE_UNAVAILABLE,
                        message: "The lock was lost while the request was being served",
                        retry_after: None,
                    };
                    // The inner future goes first, then the guard.
                    this.state.set(State::Done);
                    return Poll::Ready(Ok(answer.into_response(this.correlation_id.take())));
                }
                StateProjection::Done => unreachable!("polled after it was ready"),
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

// ===== impl LockBody =====

impl<B> LockBody<B> {
    fn passed(body: B, held: Option<Held>) -> Self {
        Self {
            inner: BodyKind::Passed { body },
            held,
        }
    }

    fn made(body: Bytes) -> Self {
        Self {
            inner: BodyKind::Made { body: Some(body) },
            held: None,
        }
    }
}

impl<B> Body for LockBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        if let Some(Err(lost)) = this.held.as_ref().map(|held| held.guard.lease().check()) {
            *this.held = None;
            return Poll::Ready(Some(Err(lost.into())));
        }
        let frame = match this.inner.project() {
            BodyKindProjection::Made { body } => {
                return Poll::Ready(body.take().map(|body| Ok(Frame::data(body))));
            }
            BodyKindProjection::Passed { body } => body.poll_frame(cx),
        };
        if frame.is_pending()
            && let Some(held) = this.held
            && held.lost.as_mut().poll(cx).is_ready()
        {
            // It was lost since the check above; the next poll says so.
            cx.waker().wake_by_ref();
        }
        if let Poll::Ready(None) = frame {
            *this.held = None;
        }
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            BodyKind::Passed { body } => body.is_end_stream(),
            BodyKind::Made { body } => body.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            BodyKind::Passed { body } => body.size_hint(),
            BodyKind::Made { body } => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
        }
    }
}

impl<B> fmt::Debug for LockBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lease = self.held.as_ref().map(|held| held.guard.lease());
        f.debug_struct("LockBody")
            .field("lease", &lease)
            .finish_non_exhaustive()
    }
}

// ===== answers =====

struct Refusal {
    status: StatusCode,
    message: &'static str,
    retry_after: Option<Duration>,
}

fn refusal(outcome: &Acquisition, retry_after: Duration) -> Refusal {
    let (status, message, retry_after) = match outcome {
        Acquisition::Busy { .. } => (
            StatusCode::CONFLICT,
            "Another request holds the lock",
            Some(retry_after),
        ),
        Acquisition::Unavailable(error) if error.kind() == ErrorKind::Name => (
            StatusCode::BAD_REQUEST,
            "The key of the request is not a lock name",
            None,
        ),
        Acquisition::Unavailable(error) => {
            tracing::warn!(%error, "a request was turned away for want of a lock");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "The lock service is unavailable",
                Some(retry_after),
            )
        }
        Acquisition::Acquired(_) => unreachable!("an acquired lock is not a refusal"),
    };
    Refusal {
        status,
        message,
        retry_after,
    }
}

impl Refusal {
    fn into_response<B>(self, correlation_id: Option<String>) -> Response<LockBody<B>> {
        let mut body = ErrorBody::new(self.status, self.message);
        if let Some(id) = correlation_id {
            body = body.with_correlation_id(CorrelationId::parse(&id).ok());
        }
        let mut response: Response<Bytes> = body.into_response();
        if let Some(after) = self.retry_after {
            let seconds = after.as_millis().div_ceil(1000).max(1);
            let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.map(LockBody::made)
    }
}

impl Settings {
    fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("locks", &self.locks)
            .field("ttl", &self.ttl)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

fn lost(lease: Lease) -> BoxFuture<()> {
    Box::pin(async move {
        lease.lost().await;
    })
}

fn correlation_id_header(head: &Parts) -> Option<String> {
    let id = head.headers.get("x-correlation-id")?.to_str().ok()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    ((1..=128).contains(&id.len()) && id.chars().all(allowed)).then(|| id.to_owned())
}

fn encoded(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for c in key.chars() {
        if c.is_control() || "{}%".contains(c) {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                let _ = write!(name, "%{byte:02X}");
            }
        } else {
            name.push(c);
        }
    }
    name
}
