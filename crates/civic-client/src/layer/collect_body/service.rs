//! The whole body of each response.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use civic_envelope::inner_accessors;
#[cfg(feature = "gzip")]
use http::header::{ACCEPT_ENCODING, RANGE};
use http::response::Parts;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower_layer::Layer;
use tower_service::Service;

use crate::attempt::Attempt;
use crate::balance::BreakWatch;
use crate::broken_off::broken_off;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::layer::collect_body::closing::{ClosingAnswer, is_closing_answer};
use crate::layer::collect_body::layer::{Caps, Codings, CollectBodyLayer};
use crate::layer::collect_body::reading::Reading;
use crate::layer::collect_body::step::Step;
use crate::phase::Phase;
use crate::streaming::{STREAMED, WantsStream};

/// How long to wait for the rest of an error response's body.
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// How long before the end of the attempt that wait is over at the latest.
///
/// The timer of the attempt must not fire first: it would make a timeout of a status that is known.
/// Timers are exact to 1 ms, and a busy machine polls them late, so half of what is left is the
/// margin where less than this is left.
const ERROR_BODY_MARGIN: Duration = Duration::from_millis(50);

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
    layer: CollectBodyLayer,
}

impl<S> CollectBody<S> {
    /// Creates a service that reads the bodies of the responses of `inner`, as `layer`
    /// says.
    pub const fn new(inner: S, layer: CollectBodyLayer) -> Self {
        Self { inner, layer }
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for CollectBody<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<Error>,
    ResB: Body<Data = Bytes> + Send + 'static,
    ResB::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Response = Response<Bytes>;
    type Error = Error;
    type Future = CollectBodyFuture<S::Future, ResB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[cfg_attr(
        not(feature = "gzip"),
        expect(unused_mut, reason = "the headers are changed for gzip alone")
    )]
    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let attempt = Attempt::of(request.extensions()).cloned();
        let wants_stream = request.extensions().get::<WantsStream>().cloned();
        #[cfg(feature = "gzip")]
        if self.layer.codings == Codings::Gzip
            && wants_stream.is_none()
            && !request.headers().contains_key(RANGE)
        {
            request
                .headers_mut()
                .entry(ACCEPT_ENCODING)
                .or_insert(HeaderValue::from_static("gzip"));
        }
        CollectBodyFuture {
            state: State::Head {
                future: self.inner.call(request),
            },
            caps: self.layer.caps,
            codings: self.layer.codings,
            wants_stream,
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
        codings: Codings,
        // Without it, the body of a success is read whole.
        wants_stream: Option<WantsStream>,
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
            reading: Reading,
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
    B: Body<Data = Bytes> + Send + 'static,
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
                    let (mut head, body) = response.into_parts();
                    let success = head.status.is_success();
                    // It says something between layers, and nothing if it comes from a peer.
                    head.headers.remove(STREAMED);
                    if success && let Some(wanted) = this.wants_stream {
                        let slot = wanted.arrived(body);
                        if let Some(watch) = head.extensions.remove::<BreakWatch>() {
                            slot.hold(watch);
                        }
                        head.extensions.insert(slot);
                        head.headers.insert(STREAMED, HeaderValue::from_static("1"));
                        return Poll::Ready(Ok(Response::from_parts(head, Bytes::new())));
                    }
                    let cap = this.caps.of(success);
                    let reading = Reading::new(&head, *this.codings, cap);
                    let announced = body.size_hint().lower();
                    if success && announced > reading.arriving_cap(cap) as u64 {
                        return Poll::Ready(Err(Error::new(ErrorKind::BodyTooLarge)));
                    }
                    let error_body_timeout =
                        (!success).then(|| error_body_timeout(this.attempt.as_ref()));
                    this.state.set(State::Body {
                        body,
                        head: Some(head),
                        reading,
                        error_body_timeout,
                    });
                }
                StateProj::Body {
                    body,
                    head,
                    reading,
                    error_body_timeout,
                } => {
                    let success = head.as_ref().is_some_and(|head| head.status.is_success());
                    let ended = match reading.advance() {
                        #[cfg(feature = "gzip")]
                        Step::Yield => {
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        #[cfg(feature = "gzip")]
                        Step::Corrupt => Err(Error::new(ErrorKind::Decode).with_detail(
                            "the body is not the gzip that its content-encoding says it is",
                        )),
                        Step::TooLarge => Err(Error::new(ErrorKind::BodyTooLarge)),
                        Step::More => match body.poll_frame(cx) {
                            Poll::Ready(Some(Ok(frame))) => {
                                // Trailers carry nothing that a JSON response needs.
                                if let Ok(data) = frame.into_data() {
                                    reading.push(data, this.caps.of(success));
                                }
                                continue;
                            }
                            Poll::Ready(Some(Err(error))) => Err(broken_off(error)),
                            Poll::Ready(None) => reading.ended_well(),
                            Poll::Pending => {
                                // The body of a success has the time of its attempt.
                                let Some(error_body_timeout) = error_body_timeout.as_pin_mut()
                                else {
                                    return Poll::Pending;
                                };
                                ready!(error_body_timeout.poll(cx));
                                Ok(())
                            }
                        },
                    };
                    if success {
                        ended?;
                    }
                    let mut head = head
                        .take()
                        .expect("a future is not polled after it has completed");
                    let is_verbatim = reading.is_verbatim();
                    let body = reading.take(&mut head.headers);
                    if is_verbatim && is_closing_answer(&head, &body) {
                        head.extensions.insert(ClosingAnswer);
                    }
                    return Poll::Ready(Ok(Response::from_parts(head, body)));
                }
            }
        }
    }
}

fn error_body_timeout(attempt: Option<&Attempt>) -> Sleep {
    let now = Instant::now();
    let remaining = attempt.map_or(Duration::MAX, |attempt| {
        attempt.until.saturating_duration_since(now)
    });
    let margin = ERROR_BODY_MARGIN.min(remaining / 2);
    sleep_until(now + ERROR_BODY_TIMEOUT.min(remaining - margin))
}
