//! The body of a request.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};

/// The body of a request: complete in memory, or a stream.
///
/// A body in memory is cheap to clone, and so replayable: each attempt sends a clone, which shares
/// the bytes. An empty one is no body: the request then carries neither `Content-Length` (except
/// where HTTP asks for one) nor `Content-Type`.
///
/// A [`stream`](Self::stream) is read once. Its clones are the same stream: the first of them that
/// is read has it, and reading another one is an error.
#[derive(Clone)]
pub struct Body(Kind);

#[derive(Clone)]
enum Kind {
    Whole(Bytes),
    Stream(Streamed),
}

/// A stream, of which the first reader takes possession.
struct Streamed {
    /// `None` once a clone is read.
    shared: Arc<Mutex<Option<Source>>>,
    /// What this clone has taken. The lock is never waited for: it makes the body `Sync`.
    own: Option<Mutex<Source>>,
}

/// Where the bytes of a stream come from.
struct Source(
    Pin<
        Box<
            dyn http_body::Body<Data = Bytes, Error = Box<dyn StdError + Send + Sync>>
                + Send
                + 'static,
        >,
    >,
);

impl Body {
    /// Creates the body of a request that has none.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kind::Whole(Bytes::new()))
    }

    /// Creates a body whose bytes are produced while they are sent, for what does not fit into
    /// memory.
    ///
    /// It is read at the pace of the peer, and never ahead by more than what is on its way into the
    /// socket. It is sent with a `Content-Length` if its
    /// [`size_hint`](http_body::Body::size_hint) is exact, else in chunks.
    ///
    /// **It is never replayed.** A request is sent again only as long as nothing of the stream has
    /// been read: the connection could not be opened, for example, or the peer refused the request
    /// before it had asked for the body. After that, a call that fails has ended
    /// ([`NotRetried::Begun`](crate::NotRetried::Begun)), whatever its method. So that this is
    /// seldom, the peer is asked before the stream begins, as for a POST
    /// ([`TransportConfig::with_ask_after`](crate::TransportConfig::with_ask_after)).
    ///
    /// **A success need not mean that the peer has read all of it.** A peer may answer before the
    /// stream has ended. Its answer is the outcome of the call then: the rest of the stream is
    /// sent for a second more, after which the connection is closed. Where the whole has to arrive,
    /// have the peer say in its answer how much it has got.
    ///
    /// The timeout of the attempt covers the whole stream: give the call one that is long enough
    /// ([`RequestBuilder::timeout`](crate::RequestBuilder::timeout)).
    ///
    /// ```
    /// use civic_client::{Body, Error, ServiceClient};
    /// use http_body_util::Full;
    ///
    /// # async fn example(client: &ServiceClient) -> Result<(), Error> {
    /// // Anything that is an `http_body::Body`: a `StreamBody` over the chunks of a file, the body
    /// // of the request being served, a channel.
    /// let rows = Full::from("id,value\nprop-001,500000\n");
    /// client
    ///     .put("/exports/{id}")
    ///     .param("id", 7)
    ///     .header("content-type", "text/csv")
    ///     .body(Body::stream(rows))
    ///     .send()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stream<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self(Kind::Stream(Streamed {
            shared: Arc::new(Mutex::new(Some(Source(Box::pin(Boxing { inner: body }))))),
            own: None,
        }))
    }

    /// Returns the bytes, for example for a layer that signs requests; `None` for a stream.
    #[must_use]
    pub const fn bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            Kind::Whole(bytes) => Some(bytes),
            Kind::Stream(_) => None,
        }
    }

    /// Returns whether there is no body. A stream is a body, even if nothing comes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Stream(_) => false,
        }
    }

    /// Returns whether it is a stream that is read already, by this clone or another one.
    pub(crate) fn is_begun(&self) -> bool {
        match &self.0 {
            Kind::Whole(_) => false,
            Kind::Stream(stream) => stream.shared().is_none(),
        }
    }
}

/// Whether the body of the request is a stream of which a part has passed already.
pub(crate) fn is_begun<B: 'static>(request: &Request<B>) -> bool {
    let body: &dyn Any = request.body();
    body.downcast_ref().is_some_and(Body::is_begun)
}

// ===== impl Streamed =====

impl Streamed {
    fn shared(&self) -> MutexGuard<'_, Option<Source>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the source, wherever it is; `None` if another clone has it.
    fn ask<R>(&self, question: impl FnOnce(&Source) -> R) -> Option<R> {
        match &self.own {
            Some(own) => Some(question(
                &own.lock().unwrap_or_else(PoisonError::into_inner),
            )),
            None => self.shared().as_ref().map(question),
        }
    }
}

impl Clone for Streamed {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            own: None,
        }
    }
}

// ===== impl Body =====

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    /// Shows the length only: a body may contain personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Whole(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Kind::Stream(_) => f.write_str("Body(a stream)"),
        }
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self(Kind::Whole(bytes.into()))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let stream = match &mut self.get_mut().0 {
            Kind::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                return Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
            }
            Kind::Stream(stream) => stream,
        };
        if stream.own.is_none() {
            let Some(source) = stream.shared().take() else {
                let again = "the body is a stream, which was read already";
                return Poll::Ready(Some(Err(again.into())));
            };
            stream.own = Some(Mutex::new(source));
        }
        match &mut stream.own {
            Some(own) => {
                let source = own.get_mut().unwrap_or_else(PoisonError::into_inner);
                source.0.as_mut().poll_frame(cx)
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Stream(stream) => stream
                .ask(|source| source.0.is_end_stream())
                .unwrap_or_default(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(stream) => stream
                .ask(|source| source.0.size_hint())
                .unwrap_or_default(),
        }
    }
}

pin_project_lite::pin_project! {
    /// A body with boxed errors.
    struct Boxing<B> {
        #[pin]
        inner: B,
    }
}

impl<B> http_body::Body for Boxing<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = self.project().inner.poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
