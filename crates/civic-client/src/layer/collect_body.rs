//! The whole body of each response.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{fmt, mem};

use bytes::{Bytes, BytesMut};
use civic_envelope::inner_accessors;
use http::header::{CONNECTION, VIA};
use http::response::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_layer::Layer;
use tower_service::Service;

use crate::attempt::Attempt;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::phase::Phase;
use crate::transmission::Transmission;

/// How long to wait for the rest of an error response's body.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// How long before the end of the attempt that wait is over at the latest.
///
/// The timer of the attempt must not fire first: it would make a timeout of a status that is known.
/// Timers are exact to 1 ms, and a busy machine polls them late, so half of what is left is the
/// margin where less than this is left.
const ERROR_BODY_MARGIN: Duration = Duration::from_millis(50);

/// What Fastify answers on an open connection while it closes, before any code of the service runs.
const CLOSING_BODY: &[u8] =
    br#"{"error":"Service Unavailable","message":"Service Unavailable","statusCode":503}"#;

/// Marks a response as the answer of a Fastify that is closing: the request was not executed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClosingAnswer;

/// Reads the whole body of each response: never half of one, and never more than the cap.
///
/// - A success (2xx) whose body is longer than the cap is [`ErrorKind::BodyTooLarge`]; one whose
///   body breaks off is [`ErrorKind::Transport`]. A `Content-Length` over the cap is refused before
///   a byte is read.
/// - Any other response counts with its status alone. Its body is read, so that the connection can
///   be used again, but only up to a cap of its own and for 1 s, or for as long as the attempt has
///   left if that is less; a body that is longer, slower or breaks off is cut there. What the peer
///   decided matters more than how it explained it: a 404 whose body hangs is a 404, and not a
///   timeout that would be retried.
///
/// The layer belongs inside of the attempt timeout: outside, nothing would limit the time of the
/// body.
#[derive(Clone, Copy, Debug)]
pub struct CollectBodyLayer {
    caps: Caps,
}

#[derive(Clone, Copy, Debug)]
struct Caps {
    success: usize,
    error: usize,
}

impl CollectBodyLayer {
    /// Creates a layer with the caps of the envelope: 16 MiB and 64 KiB.
    #[must_use]
    pub const fn new() -> Self {
        let (success, error) = (
            civic_envelope::MAX_SUCCESS_BYTES,
            civic_envelope::MAX_ERROR_BYTES,
        );
        Self {
            caps: Caps { success, error },
        }
    }

    /// Sets the largest body of a success, in bytes.
    ///
    /// Defaults to 16 MiB.
    #[must_use]
    pub const fn with_max_success(mut self, bytes: usize) -> Self {
        self.caps.success = bytes;
        self
    }

    /// Sets how much of any other body is read, in bytes.
    ///
    /// Defaults to 64 KiB.
    #[must_use]
    pub const fn with_max_error(mut self, bytes: usize) -> Self {
        self.caps.error = bytes;
        self
    }
}

impl Default for CollectBodyLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CollectBodyLayer {
    type Service = CollectBody<S>;

    fn layer(&self, inner: S) -> CollectBody<S> {
        CollectBody::new(inner, *self)
    }
}

/// Reads the whole body of each response, as [`CollectBodyLayer`] describes.
#[derive(Clone, Debug)]
pub struct CollectBody<S> {
    inner: S,
    caps: Caps,
}

impl<S> CollectBody<S> {
    /// Creates a service that reads the bodies of the responses of `inner`, with the caps of
    /// `layer`.
    pub const fn new(inner: S, layer: CollectBodyLayer) -> Self {
        Self {
            inner,
            caps: layer.caps,
        }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for CollectBody<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<Error>,
    ResB: Body<Data = Bytes>,
    ResB::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Response = Response<Bytes>;
    type Error = Error;
    type Future = CollectBodyFuture<S::Future, ResB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let attempt = Attempt::of(request.extensions()).cloned();
        CollectBodyFuture {
            state: State::Head {
                future: self.inner.call(request),
            },
            caps: self.caps,
            attempt,
        }
    }
}

pin_project! {
    /// The future of [`CollectBody`].
    pub struct CollectBodyFuture<F, B> {
        #[pin]
        state: State<F, B>,
        caps: Caps,
        attempt: Option<Attempt>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        Head { #[pin] future: F },
        Body {
            #[pin]
            body: B,
            head: Option<Parts>,
            read: Collected,
            // Unless the status is a success.
            #[pin]
            error_body_timeout: Option<Sleep>,
        },
    }
}

impl<F, B> fmt::Debug for CollectBodyFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectBodyFuture")
            .field("caps", &self.caps)
            .finish_non_exhaustive()
    }
}

impl<F, B, E> Future for CollectBodyFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<Error>,
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Output = Result<Response<Bytes>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Head { future } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?;
                    if let Some(attempt) = this.attempt {
                        attempt.progress.advance(Phase::Body);
                    }
                    let (head, body) = response.into_parts();
                    let announced = body.size_hint().lower();
                    if head.status.is_success() && announced > this.caps.success as u64 {
                        return Poll::Ready(Err(Error::new(ErrorKind::BodyTooLarge)));
                    }
                    let error_body_timeout = (!head.status.is_success())
                        .then(|| error_body_timeout(this.attempt.as_ref()));
                    this.state.set(State::Body {
                        body,
                        head: Some(head),
                        read: Collected::Nothing,
                        error_body_timeout,
                    });
                }
                StateProj::Body {
                    body,
                    head,
                    read,
                    error_body_timeout,
                } => {
                    let success = head.as_ref().is_some_and(|head| head.status.is_success());
                    let cap = if success {
                        this.caps.success
                    } else {
                        this.caps.error
                    };
                    let frame = match body.poll_frame(cx) {
                        Poll::Ready(frame) => frame,
                        Poll::Pending => {
                            // The body of a success has the time of its attempt.
                            let Some(error_body_timeout) = error_body_timeout.as_pin_mut() else {
                                return Poll::Pending;
                            };
                            ready!(error_body_timeout.poll(cx));
                            None
                        }
                    };
                    match frame {
                        Some(Ok(frame)) => {
                            // Trailers carry nothing that a JSON response needs.
                            let fits = frame.into_data().map_or(true, |data| read.push(data, cap));
                            if fits {
                                continue;
                            }
                            if success {
                                return Poll::Ready(Err(Error::new(ErrorKind::BodyTooLarge)));
                            }
                        }
                        Some(Err(error)) if success => return Poll::Ready(Err(broken_off(error))),
                        Some(Err(_)) | None => {}
                    }
                    let mut head = head
                        .take()
                        .expect("a future is not polled after it has completed");
                    let body = read.take();
                    if is_closing_answer(&head, &body) {
                        head.extensions.insert(ClosingAnswer);
                    }
                    return Poll::Ready(Ok(Response::from_parts(head, body)));
                }
            }
        }
    }
}

/// Whether no one but a Fastify that is closing can have made this answer: a proxy adds `Via` or
/// words of its own, and closes other connections than its own peer's.
fn is_closing_answer(head: &Parts, body: &[u8]) -> bool {
    let closes = head
        .headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
    head.status == StatusCode::SERVICE_UNAVAILABLE
        && head.version == Version::HTTP_11
        && closes
        && !head.headers.contains_key(VIA)
        && body == CLOSING_BODY
}

fn error_body_timeout(attempt: Option<&Attempt>) -> Sleep {
    let now = Instant::now();
    let remaining = attempt.map_or(Duration::MAX, |attempt| {
        attempt.until.saturating_duration_since(now)
    });
    let margin = ERROR_BODY_MARGIN.min(remaining / 2);
    sleep_until(now + ERROR_BODY_TIMEOUT.min(remaining - margin))
}

/// The head has arrived, so the request was sent, whatever the cause looks like.
fn broken_off(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    match cause.into().downcast::<Error>() {
        // Taken at its word, a body's error that says "never sent" would have a POST executed
        // twice.
        Ok(own) if own.transmission() == Transmission::NotSent => {
            Error::new(ErrorKind::Transport).with_source(*own)
        }
        Ok(own) => *own,
        Err(cause) => Error::new(ErrorKind::Transport).with_source(cause),
    }
}

/// What was read so far. A body of a single frame, as most are, is never copied.
#[derive(Debug)]
enum Collected {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Collected {
    /// Adds as much of `data` as `cap` allows, and returns whether that was all of it.
    fn push(&mut self, mut data: Bytes, cap: usize) -> bool {
        let remaining = cap - self.len();
        let fits = data.len() <= remaining;
        data.truncate(remaining);
        *self = match mem::replace(self, Self::Nothing) {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut many = BytesMut::with_capacity(first.len() + data.len());
                many.extend_from_slice(&first);
                many.extend_from_slice(&data);
                Self::Many(many)
            }
            Self::Many(mut many) => {
                many.extend_from_slice(&data);
                Self::Many(many)
            }
        };
        fits
    }

    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn take(&mut self) -> Bytes {
        match mem::replace(self, Self::Nothing) {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}
