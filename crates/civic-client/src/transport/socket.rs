//! A socket that knows whether anything of a request was written to it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::attempt::Progress;
use crate::phase::Phase;
use crate::transport::stream::Stream;

/// A TCP connection that notes whether anything of a request was written to it.
///
/// Right before the first byte of a request it asks the kernel whether the peer has closed the
/// connection. If so the byte is not written, and the request was provably never sent.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    gauge: Arc<Gauge>,
}

/// How much of the present request was written.
#[derive(Debug)]
pub(super) struct Gauge {
    state: AtomicU8,
    /// Of the attempt, if nothing more of the request is handed over, until all was written.
    progress: Mutex<Option<Arc<Progress>>>,
}

/// No byte of the request was given to the kernel.
const UNTOUCHED: u8 = 0;
/// A byte of it was given to the kernel, or is just being given.
const TOUCHED: u8 = 1;
/// None was, and none will be.
const SEALED: u8 = 2;

// ===== impl Gauge =====

impl Gauge {
    pub(super) const fn new() -> Self {
        Self {
            state: AtomicU8::new(TOUCHED),
            progress: Mutex::new(None),
        }
    }

    /// Notes that the next byte that is written is the first one of a request. With `progress`, all
    /// of it is handed over.
    pub(super) fn reset(&self, progress: Option<Arc<Progress>>) {
        *self.progress() = progress;
        self.state.store(UNTOUCHED, Ordering::Release);
    }

    /// Notes in `progress` when all that is handed over has been written.
    pub(super) fn note_end(&self, progress: Arc<Progress>) {
        *self.progress() = Some(progress);
    }

    /// Forbids writing the request, and returns whether nothing of it was written.
    pub(super) fn seal(&self) -> bool {
        self.swap(UNTOUCHED, SEALED).is_ok()
    }

    fn swap(&self, from: u8, to: u8) -> Result<u8, u8> {
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }

    fn progress(&self) -> MutexGuard<'_, Option<Arc<Progress>>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// ===== impl Socket =====

impl Socket {
    pub(super) const fn new(stream: Stream, gauge: Arc<Gauge>) -> Self {
        Self { stream, gauge }
    }

    /// Writes with `write`, unless the request is sealed or its peer has gone.
    fn write_with(
        &mut self,
        write: impl FnOnce(Pin<&mut Stream>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        // Touched before anything is written, so that no one can take it for unsent meanwhile.
        let is_first = match self.gauge.swap(UNTOUCHED, TOUCHED) {
            Ok(_) => true,
            Err(TOUCHED) => false,
            Err(_) => {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::NotConnected,
                    "the request goes to another connection",
                )));
            }
        };
        let open = if is_first {
            check_open(&self.stream)
        } else {
            Ok(())
        };
        let written = match open {
            Ok(()) => write(Pin::new(&mut self.stream)),
            Err(error) => Poll::Ready(Err(error)),
        };
        if is_first && !matches!(written, Poll::Ready(Ok(count)) if count > 0) {
            self.gauge.state.store(UNTOUCHED, Ordering::Release);
        }
        written
    }
}

/// Fails if the peer has closed the connection, or has sent what no one has asked for.
///
/// It asks the kernel: the runtime may not have been told yet. Under TLS, what has arrived may be a
/// ticket, and only an end without a word is seen here.
fn check_open(stream: &Stream) -> io::Result<()> {
    match SockRef::from(stream.tcp()).peek(&mut [MaybeUninit::uninit()]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
        Ok(0) => Err(io::Error::new(
            io::ErrorKind::NotConnected,
            "the peer closed the connection before the request was written",
        )),
        Ok(_) if stream.has_records() => Ok(()),
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
        self.get_mut()
            .write_with(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .write_with(|stream| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        // Flushed when nothing is left to be written.
        if this.gauge.state.load(Ordering::Acquire) == TOUCHED
            && let Some(progress) = this.gauge.progress().take()
        {
            progress.advance(Phase::Waiting);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::TcpListener;

    use tokio::net::TcpStream;

    use super::*;

    async fn connected() -> (TcpStream, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        (stream, listener.accept().unwrap().0)
    }

    /// Waits until the end of the connection or a byte has arrived. The runtime is told of nothing.
    fn await_arrival(stream: &TcpStream) {
        let mut byte = [MaybeUninit::uninit()];
        while SockRef::from(stream).peek(&mut byte).is_err() {
            std::thread::yield_now();
        }
    }

    /// What becomes of the first bytes of a request, and whether nothing of them was written.
    async fn written(stream: TcpStream) -> (io::Result<usize>, bool) {
        let gauge = Arc::new(Gauge::new());
        gauge.reset(None);
        let mut socket = Socket::new(Stream::Plain(stream), Arc::clone(&gauge));
        let written = poll_fn(|cx| Pin::new(&mut socket).poll_write(cx, b"POST")).await;
        (written, gauge.seal())
    }

    #[tokio::test]
    async fn no_request_is_written_to_a_connection_that_the_peer_has_closed_or_spoken_on() {
        let (stream, peer) = connected().await;
        drop(peer);
        await_arrival(&stream);
        let (result, is_untouched) = written(stream).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::NotConnected);
        assert!(is_untouched);

        let (stream, mut peer) = connected().await;
        peer.write_all(b"HTTP/1.1 408 Request Timeout").unwrap();
        await_arrival(&stream);
        let (result, is_untouched) = written(stream).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(is_untouched);

        let (stream, _peer) = connected().await;
        let (result, is_untouched) = written(stream).await;
        assert_eq!(result.unwrap(), 4);
        assert!(!is_untouched);
    }
}
