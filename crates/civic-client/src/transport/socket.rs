//! A socket that knows whether anything of a request was written to it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection that notes whether anything of a request was written to it.
///
/// Right before the first byte of a request it asks the kernel whether the peer has closed the
/// connection. If so the byte is not written, and the request was provably never sent.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    gauge: Arc<Gauge>,
}

/// Whether the present request is untouched: no byte of it was given to the kernel.
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicBool);

impl Gauge {
    /// Notes that the next byte that is written is the first one of a request.
    pub(super) fn reset(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Returns whether no byte was written since the last [`reset`](Self::reset).
    pub(super) fn is_untouched(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Socket {
    pub(super) fn new(stream: TcpStream, gauge: Arc<Gauge>) -> Self {
        Self { stream, gauge }
    }

    fn check_before_write(&self) -> io::Result<()> {
        if self.gauge.is_untouched() {
            check_open(&self.stream)
        } else {
            Ok(())
        }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let written = ready!(written)?;
        if written > 0 {
            self.gauge.0.store(false, Ordering::Release);
        }
        Poll::Ready(Ok(written))
    }
}

/// Fails if the peer has closed the connection, or has sent what no one has asked for.
///
/// It asks the kernel: the runtime may not have been told yet.
fn check_open(stream: &TcpStream) -> io::Result<()> {
    match SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
        Ok(0) => Err(io::Error::new(
            io::ErrorKind::NotConnected,
            "the peer closed the connection before the request was written",
        )),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the peer sent something before the request was written",
        )),
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_before_write()?;
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.note(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_before_write()?;
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
