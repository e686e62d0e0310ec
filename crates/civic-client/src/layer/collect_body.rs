//! The whole body, or an error: never half of one, never more than the cap.
//!
//! - A success (2xx) whose body is longer than the cap is [`ErrorKind::BodyTooLarge`]; one that breaks off is
//!   [`ErrorKind::Transport`]. An honest `Content-Length` over the cap is refused before a byte is read.
//! - Any other answer is complete with its status: its body is read, so that the connection can be used
//!   again, but only up to a cap of its own and for 1 s, and a body that is longer, slower or breaks off is
//!   cut there. What the peer decided is worth more than how it explained it: a 404 whose body hangs is a 404,
//!   and no timeout that asks to be tried again.
//!
//! Belongs inside of the attempt timeout, or the body would be read without a limit of time.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{fmt, mem};

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_layer::Layer;
use tower_service::Service;

use crate::error::{Error, ErrorKind};
use crate::transmission::Transmission;

/// How long the rest of a body is waited for whose status is no success.
const ERROR_PATIENCE: Duration = Duration::from_secs(1);

/// Reads the whole body of each response. See the [module docs](self).
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
    /// With the caps of the envelope: 16 MiB and 64 KiB.
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

    /// The longest body of a success, in bytes.
    ///
    /// Defaults to 16 MiB.
    #[must_use]
    pub const fn with_max_success(mut self, bytes: usize) -> Self {
        self.caps.success = bytes;
        self
    }

    /// How much is read of any other body, in bytes.
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
        CollectBody {
            inner,
            caps: self.caps,
        }
    }
}

/// Reads the whole body of each response. See the [module docs](self).
#[derive(Clone, Debug)]
pub struct CollectBody<S> {
    inner: S,
    caps: Caps,
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
        CollectBodyFuture {
            state: State::Head {
                future: self.inner.call(request),
            },
            caps: self.caps,
        }
    }
}

pin_project! {
    /// The future of [`CollectBody`].
    pub struct CollectBodyFuture<F, B> {
        #[pin]
        state: State<F, B>,
        caps: Caps,
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
            read: Gathered,
            // Where the status is no success.
            #[pin]
            patience: Option<Sleep>,
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
                    let (head, body) = response.into_parts();
                    let announced = body.size_hint().lower();
                    if head.status.is_success() && announced > this.caps.success as u64 {
                        return Poll::Ready(Err(Error::new(ErrorKind::BodyTooLarge)));
                    }
                    let patience = (!head.status.is_success()).then(|| sleep(ERROR_PATIENCE));
                    this.state.set(State::Body {
                        body,
                        head: Some(head),
                        read: Gathered::Nothing,
                        patience,
                    });
                }
                StateProj::Body {
                    body,
                    head,
                    read,
                    patience,
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
                            // A success has the time of its attempt.
                            let Some(patience) = patience.as_pin_mut() else {
                                return Poll::Pending;
                            };
                            ready!(patience.poll(cx));
                            None
                        }
                    };
                    match frame {
                        Some(Ok(frame)) => {
                            // Trailers carry nothing that a JSON answer needs.
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
                    let head = head
                        .take()
                        .expect("a future is not polled after it has completed");
                    return Poll::Ready(Ok(Response::from_parts(head, read.take())));
                }
            }
        }
    }
}

/// The head has arrived, so the request has too, whatever the cause looks like.
fn broken_off(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    match cause.into().downcast::<Error>() {
        // A body's error that says "never sent" would have a POST executed twice.
        Ok(own) if own.transmission() == Transmission::NotSent => {
            Error::new(ErrorKind::Transport).with_source(*own)
        }
        Ok(own) => *own,
        Err(cause) => Error::new(ErrorKind::Transport).with_source(cause),
    }
}

/// What was read so far. A body of one frame, as most are, is never copied.
#[derive(Debug)]
enum Gathered {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Gathered {
    /// Adds as much of `data` as `cap` allows; whether that was all of it.
    fn push(&mut self, mut data: Bytes, cap: usize) -> bool {
        let room = cap - self.len();
        let fits = data.len() <= room;
        data.truncate(room);
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
