//! The body of a response that is read as it arrives, on its way through the layers.
//!
//! The layers know responses with whole bodies. One that is to be a stream passes them without a
//! body, and what there is to read of it is in its extensions. So each layer, that of a user as
//! well, works with either kind.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
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
/// One that keeps them all the same, or rebuilds them, is noticed: where the body is missing, the
/// call is an error and not an empty success. (The response carries the header `x-civic-streamed`
/// until it is with the caller.)
///
/// The body belongs to the call. It is gone, and its connection closed, once the caller has gone
/// before the response was there, also where a layer has kept a copy of it; and once no copy of the
/// response is left.
#[derive(Clone, Debug)]
pub struct WantsStream {
    arrivals: Weak<Mutex<Vec<Arc<Place>>>>,
}

/// What has arrived for one call, from each of its attempts. The call keeps it until its own end.
#[derive(Default)]
pub(crate) struct Arrivals(Arc<Mutex<Vec<Arc<Place>>>>);

/// Where the body of a success is until it is read.
struct Place(Mutex<Option<Streaming>>);

/// Marks a response whose body is in its extensions. Unlike them, it is still there after a layer
/// has rebuilt the response.
pub(crate) const STREAMED: HeaderName = HeaderName::from_static("x-civic-streamed");

/// Leads to the body of a success, from the extensions of its response. The first to ask for it
/// gets it.
#[derive(Clone)]
pub(crate) struct StreamSlot(Arc<Claim>);

/// What all copies of a response share. The body goes with the last of them.
struct Claim(Weak<Place>);

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

// ===== impl WantsStream =====

impl WantsStream {
    /// Hands over the body of a success. Once the caller has gone, it is dropped.
    pub(crate) fn arrived<B>(&self, body: B) -> StreamSlot
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let place = Arc::new(Place(Mutex::new(Some(Streaming::new(body)))));
        let slot = StreamSlot(Arc::new(Claim(Arc::downgrade(&place))));
        if let Some(arrivals) = self.arrivals.upgrade() {
            lock(&arrivals).push(place);
        }
        slot
    }
}

// ===== impl Arrivals =====

impl Arrivals {
    /// Returns the mark of a request of the call.
    pub(crate) fn wanted(&self) -> WantsStream {
        WantsStream {
            arrivals: Arc::downgrade(&self.0),
        }
    }

    /// Returns whether the body of a success has arrived.
    pub(crate) fn are_there(&self) -> bool {
        !lock(&self.0).is_empty()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// ===== impl StreamSlot =====

impl StreamSlot {
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Has the body read inside of `span`.
    pub(crate) fn within(&self, span: Span) {
        self.0.change(|streaming| streaming.span = span);
    }

    /// Keeps `guard` until the body has ended or is dropped.
    pub(crate) fn hold(&self, guard: impl Held + 'static) {
        self.0
            .change(|streaming| streaming.held.push(Box::new(guard)));
    }

    pub(crate) fn take(&self) -> Option<Streaming> {
        self.0.take()
    }
}

impl fmt::Debug for StreamSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamSlot")
    }
}

// ===== impl Claim =====

impl Claim {
    fn change(&self, change: impl FnOnce(&mut Streaming)) {
        if let Some(place) = self.0.upgrade()
            && let Some(streaming) = &mut *lock(&place.0)
        {
            change(streaming);
        }
    }

    fn take(&self) -> Option<Streaming> {
        let place = self.0.upgrade()?;
        lock(&place.0).take()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        drop(self.take());
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
