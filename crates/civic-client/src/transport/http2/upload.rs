//! The body of a request on its way to the peer.

use std::error::Error as StdError;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::body::Body;

/// For how long the rest of a body is sent after the whole of the response was read.
const SETTLE: Duration = Duration::from_secs(1);

/// The body of a request on its way to the peer.
///
/// It is read only as fast as the peer takes it: no more than one piece of it is in memory, besides
/// what waits for the socket.
pub(super) struct Upload {
    body: Body,
    stream: SendStream<Bytes>,
    /// What was read of the body and not sent.
    piece: Bytes,
}

/// How an upload has ended.
#[derive(Debug)]
pub(super) enum UploadEnd {
    /// All of it was handed to the connection.
    Complete,
    /// The peer takes no more of it. The response says why, or its absence.
    Stopped,
    /// The body has failed, and the exchange is cancelled.
    Failed(Box<dyn StdError + Send + Sync>),
}

/// The rest of a body whose response has come before its end. It is sent while the response is
/// read, and for a second more; if this is dropped, the exchange is cancelled.
#[derive(Debug)]
pub(super) struct Rest {
    /// `None` once the response was read.
    reading: Option<oneshot::Sender<()>>,
    task: AbortHandle,
}

// ===== impl Upload =====

impl Upload {
    pub(super) const fn new(body: Body, stream: SendStream<Bytes>) -> Self {
        Self {
            body,
            stream,
            piece: Bytes::new(),
        }
    }

    /// Sends as much as the peer takes.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<UploadEnd> {
        loop {
            if self.piece.is_empty() {
                match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                    None => return Poll::Ready(self.finish()),
                    Some(Err(error)) => {
                        self.stream.send_reset(Reason::CANCEL);
                        return Poll::Ready(UploadEnd::Failed(error));
                    }
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(piece) => self.piece = piece,
                        Err(frame) => {
                            let Ok(trailers) = frame.into_trailers() else {
                                continue;
                            };
                            return Poll::Ready(match self.stream.send_trailers(trailers) {
                                Ok(()) => UploadEnd::Complete,
                                Err(_) => UploadEnd::Stopped,
                            });
                        }
                    },
                }
                if self.piece.is_empty() {
                    if self.body.is_end_stream() {
                        return Poll::Ready(self.finish());
                    }
                    continue;
                }
            }
            self.stream.reserve_capacity(self.piece.len());
            if self.stream.capacity() == 0 {
                match ready!(self.stream.poll_capacity(cx)) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return Poll::Ready(UploadEnd::Stopped),
                }
            }
            let count = self.stream.capacity().min(self.piece.len());
            if count == 0 {
                continue;
            }
            let part = self.piece.split_to(count);
            let is_last = self.piece.is_empty() && self.body.is_end_stream();
            if self.stream.send_data(part, is_last).is_err() {
                return Poll::Ready(UploadEnd::Stopped);
            }
            if is_last {
                return Poll::Ready(UploadEnd::Complete);
            }
        }
    }

    fn finish(&mut self) -> UploadEnd {
        match self.stream.send_data(Bytes::new(), true) {
            Ok(()) => UploadEnd::Complete,
            Err(_) => UploadEnd::Stopped,
        }
    }

    /// Sends the rest in a task of its own.
    pub(super) fn go_on(mut self) -> Rest {
        let (reading, is_read) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let settled = async {
                let _ = is_read.await;
                sleep(SETTLE).await;
            };
            tokio::select! {
                biased;
                _ = poll_fn(|cx| self.poll(cx)) => {}
                () = settled => self.stream.send_reset(Reason::CANCEL),
            }
        });
        Rest {
            reading: Some(reading),
            task: task.abort_handle(),
        }
    }
}

// ===== impl Rest =====

impl Rest {
    /// Notes that the whole of the response was read.
    pub(super) fn note_read(&mut self) {
        self.reading = None;
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if self.reading.is_some() {
            self.task.abort();
        }
    }
}
