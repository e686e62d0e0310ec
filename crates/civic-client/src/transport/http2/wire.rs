//! A socket that knows which requests were written to it, and when something arrived.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::transport::http2::frames::{FrameHead, Frames, head_of};
use crate::transport::stream::Stream;

/// How long what has arrived is still read after writing has failed.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// A connection that notes which streams were begun on it, and when something was read.
///
/// Right before the head of a request is written, it asks the kernel whether the peer has closed
/// the connection. If so it is not written.
///
/// After an error of writing it reads on for a moment: what the peer has said before it closed the
/// connection says which requests it has taken.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    notes: Arc<Notes>,
    written: Frames,
    /// The first bytes that were read, as many as the head of a frame has.
    first: Vec<u8>,
    /// How much of the first frame is still to come.
    first_left: usize,
    /// Why nothing more is written, and for how long reading goes on.
    broken: Option<(io::Error, Pin<Box<Sleep>>)>,
}

/// What is noted about a connection.
#[derive(Debug)]
pub(super) struct Notes {
    start: Instant,
    /// When something was last read, in nanoseconds after the start.
    last_read: AtomicU64,
    /// How often something was read.
    reads: AtomicU64,
    /// The last stream whose head was written, or a part of it.
    last_begun: AtomicU32,
    greeting: AtomicU8,
}

/// How the peer has begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Greeting {
    /// Not yet, or not whole.
    None,
    /// With its settings, as a peer that speaks HTTP/2.
    Settings,
    Http1,
    Tls,
    /// With something else.
    Other,
}

const GREETINGS: [Greeting; 5] = [
    Greeting::None,
    Greeting::Settings,
    Greeting::Http1,
    Greeting::Tls,
    Greeting::Other,
];

// ===== impl Notes =====

impl Notes {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            last_read: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            last_begun: AtomicU32::new(0),
            greeting: AtomicU8::new(0),
        }
    }

    /// Returns when something was last read.
    pub(super) fn last_read(&self) -> Instant {
        self.start + Duration::from_nanos(self.last_read.load(Ordering::Acquire))
    }

    /// Returns how often something was read.
    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Acquire)
    }

    /// Returns whether nothing of a stream was written.
    pub(super) fn is_unbegun(&self, stream: u32) -> bool {
        self.last_begun.load(Ordering::Acquire) < stream
    }

    /// Returns how the peer has begun.
    pub(super) fn greeting(&self) -> Greeting {
        GREETINGS[usize::from(self.greeting.load(Ordering::Acquire))]
    }

    fn note_read(&self) {
        let nanos = self.start.elapsed().as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.last_read.fetch_max(nanos, Ordering::AcqRel);
        self.reads.fetch_add(1, Ordering::AcqRel);
    }
}

// ===== impl Wire =====

impl Wire {
    pub(super) fn new(stream: Stream) -> (Self, Arc<Notes>) {
        let notes = Arc::new(Notes::new());
        let wire = Self {
            stream,
            notes: Arc::clone(&notes),
            written: Frames::written(),
            first: Vec::new(),
            first_left: 0,
            broken: None,
        };
        (wire, notes)
    }

    /// Notes why nothing more is written, and has its task polled again, so that it reads.
    fn give_up(&mut self, error: io::Error, cx: &Context<'_>) {
        self.broken = Some((error, Box::pin(sleep(LAST_WORDS))));
        cx.waker().wake_by_ref();
    }

    /// Fails once the moment after an error of writing has passed.
    fn poll_broken(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some((error, moment)) = &mut self.broken else {
            return Poll::Pending;
        };
        ready!(moment.as_mut().poll(cx));
        Poll::Ready(io::Error::new(error.kind(), error.to_string()))
    }

    /// Looks at the first bytes that the peer sends.
    fn greet(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut bytes = bytes;
        while self.first.len() < 9 {
            let Some((byte, rest)) = bytes.split_first() else {
                return Ok(());
            };
            self.first.push(*byte);
            bytes = rest;
            let other = match self.first.as_slice() {
                b"HTTP/" => Some(Greeting::Http1),
                // An alert, or the answer of a handshake.
                [0x15 | 0x16, 0x03] => Some(Greeting::Tls),
                _ => None,
            };
            if let Some(other) = other {
                return Err(self.refuse(other));
            }
            if let Ok(head) = <&[u8; 9]>::try_from(self.first.as_slice()) {
                let head = head_of(head);
                if head.kind != FrameHead::SETTINGS || head.stream != 0 {
                    return Err(self.refuse(Greeting::Other));
                }
                self.first_left = head.length;
            }
        }
        self.first_left = self.first_left.saturating_sub(bytes.len());
        if self.first_left == 0 {
            self.set(Greeting::Settings);
        }
        Ok(())
    }

    fn refuse(&self, greeting: Greeting) -> io::Error {
        self.set(greeting);
        io::Error::new(io::ErrorKind::InvalidData, "the peer speaks no HTTP/2")
    }

    fn set(&self, greeting: Greeting) {
        let number = GREETINGS.iter().position(|other| *other == greeting);
        let number = number.and_then(|number| u8::try_from(number).ok());
        self.notes
            .greeting
            .store(number.unwrap_or_default(), Ordering::Release);
    }
}

/// Fails if the peer has closed the connection. It asks the kernel: the runtime may not have been
/// told yet.
fn check_open(stream: &Stream) -> io::Result<()> {
    match SockRef::from(stream.tcp()).peek(&mut [MaybeUninit::uninit()]) {
        Ok(0) => Err(io::Error::new(
            io::ErrorKind::NotConnected,
            "the peer closed the connection before the request was written",
        )),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return this.poll_broken(cx).map(Err),
        }
        let read = &buffer.filled()[before..];
        if !read.is_empty() {
            this.notes.note_read();
            if this.notes.greeting() == Greeting::None {
                this.greet(read)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.broken.is_some() {
            return this.poll_broken(cx).map(Err);
        }
        let mut begins = false;
        this.written.clone().pass(bytes, |head| {
            begins |= head.kind == FrameHead::HEADERS;
        });
        let open = if begins {
            check_open(&this.stream)
        } else {
            Ok(())
        };
        let written = match open {
            Ok(()) => ready!(Pin::new(&mut this.stream).poll_write(cx, bytes)),
            Err(error) => Err(error),
        };
        match written {
            Ok(count) => {
                let notes = &this.notes;
                this.written.pass(&bytes[..count], |head| {
                    if head.kind == FrameHead::HEADERS {
                        notes.last_begun.fetch_max(head.stream, Ordering::AcqRel);
                    }
                });
                Poll::Ready(Ok(count))
            }
            Err(error) => {
                this.give_up(error, cx);
                Poll::Pending
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.broken.is_some() {
            return this.poll_broken(cx).map(Err);
        }
        if let Err(error) = ready!(Pin::new(&mut this.stream).poll_flush(cx)) {
            this.give_up(error, cx);
            return Poll::Pending;
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

    /// The preface of a connection, and the head of the request of stream 1.
    const REQUEST: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x01\x01\x05\0\0\0\x01\x82";

    #[tokio::test]
    async fn no_request_is_written_to_a_connection_that_the_peer_has_closed() {
        let (stream, peer) = connected().await;
        drop(peer);
        await_arrival(&stream);
        let (mut wire, notes) = Wire::new(Stream::Plain(stream));
        let written = poll_fn(|cx| Pin::new(&mut wire).poll_write(cx, REQUEST)).await;
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::NotConnected);
        assert!(notes.is_unbegun(1));
    }

    #[tokio::test]
    async fn a_request_is_begun_once_the_head_of_its_frame_was_written() {
        let (stream, _peer) = connected().await;
        let (mut wire, notes) = Wire::new(Stream::Plain(stream));
        let (first, rest) = REQUEST.split_at(24 + 8);
        for (bytes, is_unbegun) in [(first, true), (rest, false)] {
            let written = poll_fn(|cx| Pin::new(&mut wire).poll_write(cx, bytes)).await;
            assert_eq!(written.unwrap(), bytes.len());
            assert_eq!(notes.is_unbegun(1), is_unbegun);
        }
        assert!(notes.is_unbegun(3));
    }

    #[tokio::test]
    async fn what_the_peer_said_before_it_closed_is_read_after_writing_has_failed() {
        let (stream, mut peer) = connected().await;
        // Settings, and more than the client will have asked for.
        let last_words = b"\0\0\0\x04\0\0\0\0\0 and more";
        let (mut wire, notes) = Wire::new(Stream::Plain(stream));
        let written = poll_fn(|cx| Pin::new(&mut wire).poll_write(cx, REQUEST)).await;
        assert_eq!(written.unwrap(), REQUEST.len());
        peer.write_all(last_words).unwrap();
        // It has not read the request: the kernel resets the connection.
        drop(peer);
        let mut read = Vec::new();
        let mut is_failing = false;
        let ended = poll_fn(|cx| {
            loop {
                let mut bytes = [MaybeUninit::uninit(); 64];
                let mut buffer = ReadBuf::uninit(&mut bytes);
                match Pin::new(&mut wire).poll_read(cx, &mut buffer) {
                    Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Ready(Ok(())) => read.extend_from_slice(buffer.filled()),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
                if is_failing {
                    return Poll::Pending;
                }
                // Fails sooner or later, and never says so before the rest was read.
                if Pin::new(&mut wire)
                    .poll_write(cx, b"\0\0\0\0\0\0\0\0\x01")
                    .is_pending()
                {
                    is_failing = true;
                }
            }
        })
        .await;
        drop(ended);
        assert_eq!(read, last_words);
        assert_eq!(notes.greeting(), Greeting::Settings);
    }
}
