//! The body of a response, as it arrives.

use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::error::Error;
use crate::error_kind::ErrorKind;
#[cfg(feature = "http2")]
use crate::transport::http2::Received;
use crate::transport::lease::Lease;

/// The body of a response of [`Transport`](super::Transport), as it arrives.
///
/// Its connection is used again once it was read to its end. Dropped before that, the connection is
/// closed, unless the rest has already arrived; over HTTP/2 only the exchange is cancelled.
#[derive(Debug)]
pub struct TransportBody {
    // Dropped first: the connection is not free before.
    inner: Inner,
    lease: Option<Lease>,
}

/// The body of a response as the version of HTTP has it.
#[derive(Debug)]
pub(super) enum Inner {
    Http1(Incoming),
    #[cfg(feature = "http2")]
    Http2(Received),
}

impl Inner {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Box<dyn StdError + Send + Sync>>>> {
        match self {
            Self::Http1(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            #[cfg(feature = "http2")]
            Self::Http2(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            #[cfg(feature = "http2")]
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            #[cfg(feature = "http2")]
            Self::Http2(body) => body.size_hint(),
        }
    }
}

impl TransportBody {
    pub(super) fn new(inner: Inner, lease: Lease) -> Self {
        let mut body = Self {
            inner,
            lease: Some(lease),
        };
        body.note_end();
        body
    }

    fn note_end(&mut self) {
        if self.inner.is_end_stream()
            && let Some(lease) = self.lease.take()
        {
            lease.complete();
        }
    }
}

impl Body for TransportBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        let frame = ready!(this.inner.poll_frame(cx));
        match &frame {
            Some(Ok(_)) => this.note_end(),
            Some(Err(_)) => {
                if let Some(lease) = &mut this.lease {
                    lease.broke();
                }
            }
            None => {
                if let Some(lease) = this.lease.take() {
                    lease.complete();
                }
            }
        }
        // The head has arrived, so the request was sent, whatever the cause looks like.
        let frame = frame.map(|frame| {
            frame.map_err(|error| Error::new(ErrorKind::Transport).with_source(error))
        });
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
