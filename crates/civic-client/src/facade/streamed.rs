//! A response that is read as it arrives.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use civic_auth::CorrelationId;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::facade::answer::Answer;
use crate::not_retried::NotRetried;
use crate::phase::Phase;
use crate::streaming::{Arrivals, Streaming};

/// The successful response to a call whose body is read as it arrives.
///
/// [`RequestBuilder::send_stream`](super::RequestBuilder::send_stream) returns it. It belongs to
/// the call until its end: it counts among the calls under way
/// ([`max_in_flight`](super::ServiceClientBuilder::max_in_flight)) and the connections of the peer,
/// and is read inside of the span of its attempt. Dropped before its end, it closes its connection.
pub struct StreamedAnswer {
    body: AnswerBody,
}

/// The body of a [`StreamedAnswer`], as an [`http_body::Body`].
///
/// It can be passed on as it is: as the body of a response, or of another request
/// ([`Body::stream`](crate::Body::stream)).
pub struct AnswerBody {
    answer: Answer,
    /// `None` at its end.
    streaming: Option<Streaming>,
    idle_timeout: Duration,
    silence: Silence,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Whether the peer is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Silence {
    None,
    Timed,
}

// ===== impl StreamedAnswer =====

impl StreamedAnswer {
    pub(super) fn new(
        mut answer: Answer,
        arrivals: &Arrivals,
        idle_timeout: Duration,
    ) -> Result<Self, Error> {
        let mut streaming = Some(answer.take_stream(arrivals)?);
        // Without a body the call has ended.
        if let Some(mut ended) = streaming.take_if(|streaming| streaming.is_end_stream()) {
            ended.complete();
        }
        let body = AnswerBody {
            answer,
            streaming,
            idle_timeout,
            silence: Silence::None,
            timer: None,
        };
        Ok(Self { body })
    }

    /// Returns the status, which is a success.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.body.answer.status()
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.body.answer.headers()
    }

    /// Returns how many attempts were made.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.body.answer.attempts()
    }

    /// Returns the correlation id of the call.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.body.answer.correlation_id()
    }

    /// Returns the next piece of the body; `None` at its end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Transport`]: the body broke off. [`ErrorKind::Timeout`]: the peer was silent
    /// for the [`idle_timeout`](super::RequestBuilder::idle_timeout). After an error comes `None`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped: the piece comes with the next call.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await;
            let Some(frame) = frame.transpose()? else {
                return Ok(None);
            };
            // Anything else are trailers.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }

    /// Returns the body, to pass it on as it arrives.
    #[must_use]
    pub fn into_body(self) -> AnswerBody {
        self.body
    }
}

impl fmt::Debug for StreamedAnswer {
    /// Without headers: they may contain personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedAnswer")
            .field("answer", &self.body.answer)
            .finish_non_exhaustive()
    }
}

// ===== impl AnswerBody =====

impl AnswerBody {
    /// Ends the stream with this error.
    fn end(&mut self, error: Error) -> Error {
        // The connection is closed, and the call no longer under way.
        self.streaming = None;
        self.answer
            .annotate(error)
            .with_phase(Some(Phase::Body))
            .with_not_retried(Some(NotRetried::Begun))
    }

    /// Waits for the end of the time for which the peer may be silent.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.idle_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if self.silence == Silence::None {
            self.silence = Silence::Timed;
            match Instant::now().checked_add(limit) {
                Some(end) => timer.as_mut().reset(end),
                // An instant that cannot be represented is none.
                None => *timer = Box::pin(sleep(limit)),
            }
        }
        timer.as_mut().poll(cx)
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody")
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let Some(streaming) = &mut this.streaming else {
            return Poll::Ready(None);
        };
        match streaming.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                // A caller that takes its time is not the silence of the peer.
                this.silence = Silence::None;
                if streaming.is_end_stream() {
                    this.streaming = None;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.end(error)))),
            Poll::Ready(None) => {
                this.streaming = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                ready!(this.poll_silence(cx));
                let error = Error::new(ErrorKind::Timeout);
                if let Some(streaming) = &mut this.streaming {
                    streaming.note(&error);
                }
                Poll::Ready(Some(Err(this.end(error))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.streaming.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.streaming {
            Some(streaming) => streaming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}
