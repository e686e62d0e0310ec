//! The body of a response, as it arrives.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::transport::lease::Lease;

/// The body of a response of [`Transport`](super::Transport), as it arrives.
///
/// Its connection is used again once it was read to its end. Dropped before that, the connection is
/// closed, unless the rest has already arrived.
#[derive(Debug)]
pub struct TransportBody {
    // Dropped first: the connection is not free before.
    inner: Incoming,
    lease: Option<Lease>,
}

impl TransportBody {
    pub(super) fn new(inner: Incoming, lease: Lease) -> Self {
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
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
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
