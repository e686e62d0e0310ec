//! The body of a response that is read as it arrives, on its way through the layers.
//!
//! The layers know responses with whole bodies. One that is to be a stream passes them without a
//! body, and what there is to read of it is in its extensions. So each layer, that of a user as
//! well, works with either kind.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Extensions, HeaderName};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use crate::broken_off::broken_off;
use crate::error::Error;

/// Marks a request whose response is read as a stream, in its extensions.
///
/// [`send_stream`](crate::RequestBuilder::send_stream) sets it. On its way through the layers, the
/// body of such a response is empty, if it is a success: it has not arrived yet. A layer of your
/// own that looks at bodies, or keeps responses as a cache does, passes these on as they are.
/// One that keeps them all the same, or rebuilds them from their status and headers, is noticed:
/// where the body is missing, the call is an error and not an empty success. (The response carries
/// the header `x-civic-streamed` until it is with the caller.) A layer that keeps a response whose
/// caller has gone keeps its connection, and its place among the calls under way.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WantsStream;

/// Marks a response whose body is in its extensions. Unlike them, it is still there after a layer
/// has rebuilt the response.
pub(crate) const STREAMED: HeaderName = HeaderName::from_static("x-civic-streamed");

/// The body of a success, in the extensions of its response. The first to ask for it gets it.
#[derive(Clone)]
pub(crate) struct StreamSlot(Arc<Mutex<Option<Streaming>>>);

/// The body of a success as it arrives, with what belongs to it until its end.
pub(crate) struct Streaming {
    body: Pin<Box<dyn Body<Data = Bytes, Error = Error> + Send>>,
    span: Span,
    /// What is let go of with the body, such as a place among the calls under way.
    held: Vec<Box<dyn Held>>,
}

/// What belongs to a body until its end, or until it is dropped.
pub(crate) trait Held: Send {
    /// The body has arrived whole.
    fn completed(&mut self) {}

    /// The body did not arrive whole.
    fn broke(&mut self, error: &Error) {
        let _ = error;
    }
}

impl Held for OwnedSemaphorePermit {}

// ===== impl StreamSlot =====

impl StreamSlot {
    pub(crate) fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self(Arc::new(Mutex::new(Some(Streaming::new(body)))))
    }

    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    fn streaming(&self) -> MutexGuard<'_, Option<Streaming>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the body read inside of `span`.
    pub(crate) fn within(&self, span: Span) {
        if let Some(streaming) = &mut *self.streaming() {
            streaming.span = span;
        }
    }

    /// Keeps `guard` until the body has ended or is dropped.
    pub(crate) fn hold(&self, guard: impl Held + 'static) {
        if let Some(streaming) = &mut *self.streaming() {
            streaming.held.push(Box::new(guard));
        }
    }

    pub(crate) fn take(&self) -> Option<Streaming> {
        self.streaming().take()
    }
}

impl fmt::Debug for StreamSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamSlot")
    }
}

// ===== impl Streaming =====

impl Streaming {
    pub(crate) fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self {
            body: Box::pin(Arriving { inner: body }),
            span: Span::none(),
            held: Vec::new(),
        }
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let entered = self.span.enter();
        let polled = self.body.as_mut().poll_frame(cx);
        drop(entered);
        match &polled {
            Poll::Ready(Some(Err(error))) => {
                self.note(error);
            }
            Poll::Ready(None) => self.complete(),
            Poll::Ready(Some(Ok(_))) if self.body.is_end_stream() => self.complete(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    /// Notes that the body has arrived whole.
    pub(crate) fn complete(&mut self) {
        self.held.iter_mut().for_each(|held| held.completed());
    }

    /// Notes that the body did not arrive whole.
    pub(crate) fn note(&mut self, error: &Error) {
        self.held.iter_mut().for_each(|held| held.broke(error));
        self.span.record("error.type", error.kind().as_str());
        self.span.record("otel.status_code", "ERROR");
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// A body with errors of this crate.
    struct Arriving<B> {
        #[pin]
        inner: B,
    }
}

impl<B> Body for Arriving<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = self.project().inner.poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map_err(broken_off)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
