//! The body of a response.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};

use crate::transport::http2::session::Shared;
use crate::transport::http2::stream_error::StreamError;
use crate::transport::http2::upload::Rest;

/// The body of a response, as it arrives. The peer sends no more than what is read, and a megabyte.
pub(in crate::transport) struct Received {
    stream: RecvStream,
    shared: Arc<Shared>,
    /// How much is still to come, if the peer has said so.
    left: Option<u64>,
    /// What is still to be sent of the request.
    rest: Option<Rest>,
    is_complete: bool,
}

impl Received {
    pub(super) fn new(
        stream: RecvStream,
        headers: &HeaderMap,
        shared: Arc<Shared>,
        rest: Option<Rest>,
    ) -> Self {
        let length = headers.get(CONTENT_LENGTH);
        let left = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let mut received = Self {
            stream,
            shared,
            left,
            rest,
            is_complete: false,
        };
        if received.stream.is_end_stream() {
            received.complete();
        }
        received
    }

    fn complete(&mut self) {
        self.is_complete = true;
        if let Some(rest) = &mut self.rest {
            rest.note_read();
        }
    }

    fn broken(&self, error: &h2::Error) -> StreamError {
        // Its head has arrived, so something of the request was written.
        self.shared.judge(error, 0)
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let this = self.get_mut();
        if this.is_complete {
            return Poll::Ready(None);
        }
        match ready!(this.stream.poll_data(cx)) {
            Some(Ok(data)) => {
                // Only an exchange that has ended has no window.
                let _ = this.stream.flow_control().release_capacity(data.len());
                let read = u64::try_from(data.len()).unwrap_or(u64::MAX);
                this.left = this.left.map(|left| left.saturating_sub(read));
                if this.stream.is_end_stream() {
                    this.complete();
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            // Also one that is broken off without an error is not complete.
            Some(Err(error)) => Poll::Ready(Some(Err(this.broken(&error)))),
            None => {
                let trailers = ready!(this.stream.poll_trailers(cx));
                match trailers {
                    Ok(trailers) => {
                        this.complete();
                        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
                    }
                    Err(error) => Poll::Ready(Some(Err(this.broken(&error)))),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_complete
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_complete {
            return SizeHint::with_exact(0);
        }
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
