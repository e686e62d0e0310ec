//! The body of a request whose handler may not read it.
//!
//! A server that answers before it has read the body closes a connection with unread bytes, and
//! the caller's system throws the answer away: a refusal of a large upload would look like a lost
//! connection. So what a handler leaves of a body is read and dropped before the refusal is sent:
//! to its end, for 32 MiB or for 2 s, whichever comes first.
//!
//! The body of a request with `Expect: 100-continue` that no one has begun to read is left alone:
//! its caller has not sent it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

/// The most bytes that are read.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The longest time for which is read.
const MAX_TIME: Duration = Duration::from_secs(2);

/// What a handler has left of a body.
#[derive(Debug)]
pub(super) struct Unread<B>(Arc<Mutex<Option<B>>>);

/// A request's body. If it is dropped before its end, [`Unread`] has the rest.
#[derive(Debug)]
pub(super) struct Returned<B> {
    /// `None` once it is at its end, or was given back.
    inner: Option<B>,
    owner: Arc<Mutex<Option<B>>>,
    sent: Sent,
}

/// Whether the caller has sent the body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sent {
    Yes,
    /// Not before the service begins to read.
    WhenAsked,
}

/// What is left of a body after the refusal of its request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rest {
    Nothing,
    /// The caller is still sending.
    Unread,
}

// ===== impl Unread =====

impl<B: Body<Data = Bytes> + Unpin> Unread<B> {
    /// Splits a body into what the handler gets and what it leaves.
    pub(super) fn of(headers: &HeaderMap, body: B) -> (Self, Returned<B>) {
        let owner = Arc::new(Mutex::new(None));
        let sent = match headers.contains_key(EXPECT) {
            true => Sent::WhenAsked,
            false => Sent::Yes,
        };
        let inner = Some(body);
        let returned = Returned {
            inner,
            owner: Arc::clone(&owner),
            sent,
        };
        (Self(owner), returned)
    }

    /// Reads what is left, within the bounds.
    pub(super) async fn drain(self) -> Rest {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left else {
            return Rest::Nothing;
        };
        let reading = async {
            let mut read = 0_usize;
            // A body that breaks off has no more bytes in the way.
            while let Some(Ok(frame)) = body.frame().await {
                read = read.saturating_add(frame.data_ref().map_or(0, Bytes::len));
                if read > MAX_BYTES {
                    return Rest::Unread;
                }
            }
            Rest::Nothing
        };
        timeout(MAX_TIME, reading).await.unwrap_or(Rest::Unread)
    }
}

// ===== impl Returned =====

impl<B: Body<Data = Bytes> + Unpin> Body for Returned<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.sent = Sent::Yes;
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(inner).poll_frame(cx));
        if matches!(frame, None | Some(Err(_))) {
            self.inner = None;
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

impl<B> Drop for Returned<B> {
    fn drop(&mut self) {
        if self.sent == Sent::Yes {
            let mut owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
            *owner = self.inner.take();
        }
    }
}
