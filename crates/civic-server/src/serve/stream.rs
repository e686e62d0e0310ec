//! The bytes of a connection, with what they say about it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::activity::Activity;

/// What a client that speaks HTTP/2 without a negotiation sends first (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Any stream of bytes that is a connection.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection's bytes. Takes note of what is read and written, and can be read from the start
/// again.
pub(super) struct Stream {
    inner: Box<dyn Io>,
    activity: Arc<Activity>,
    /// Bytes that were looked at and are not yet read.
    seen: Vec<u8>,
}

/// The version of HTTP that a connection speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    Http1,
    Http2,
}

// ===== impl Stream =====

impl Stream {
    pub(super) fn new(inner: Box<dyn Io>, activity: Arc<Activity>) -> Self {
        Self {
            inner,
            activity,
            seen: Vec::new(),
        }
    }

    /// Finds out which version the caller speaks, from the first bytes that differ.
    ///
    /// # Errors
    ///
    /// Fails if the connection breaks.
    pub(super) async fn version(&mut self) -> io::Result<Version> {
        let mut seen = Vec::with_capacity(PREFACE.len());
        let version = loop {
            let mut next = [0; PREFACE.len()];
            let read = self.read(&mut next[seen.len()..]).await?;
            if read == 0 {
                break Version::Http1;
            }
            let start = seen.len();
            seen.extend_from_slice(&next[start..start + read]);
            if !PREFACE.starts_with(&seen) {
                break Version::Http1;
            }
            if seen.len() == PREFACE.len() {
                break Version::Http2;
            }
        };
        self.seen = seen;
        Ok(version)
    }

    /// Takes note of the outcome of a write.
    fn wrote(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Pending => self.activity.stalled(),
            Poll::Ready(_) => self.activity.sent(),
        }
        outcome
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.seen.is_empty() {
            let length = self.seen.len().min(buffer.remaining());
            buffer.put_slice(&self.seen[..length]);
            self.seen.drain(..length);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.activity.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.wrote(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
