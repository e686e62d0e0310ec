//! Reading the body of a refused request to its end, so that the refusal arrives.
//!
//! A server that answers before it has read the body closes a connection with unread bytes, and the
//! caller's system throws the answer away: a wrong secret would look like a lost connection. So the
//! body is read and dropped, to its end, for 32 MiB or for 2 seconds, whichever comes first.
//!
//! The body of a request with `Expect: 100-continue` is not read: its caller has not sent it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf as _;
use http::Request;
use http::header::EXPECT;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

/// The most bytes that are read.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// The longest time for which is read.
const MAX_TIME: Duration = Duration::from_secs(2);

/// How many frames are read before other tasks have their turn.
const FRAMES_PER_POLL: usize = 64;

pin_project! {
    /// Reads a body and drops it.
    pub(super) struct Drain<B> {
        // `None` if there is nothing to read.
        #[pin]
        body: Option<B>,
        // Made when the body has to be waited for.
        #[pin]
        timer: Option<Sleep>,
        read: u64,
    }
}

/// What is left of a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rest {
    /// All of it was read, or the caller has not sent it.
    Nothing,
    /// The caller is still sending.
    Unread,
}

impl<B: Body> Drain<B> {
    pub(super) fn new(request: Request<B>) -> Self {
        // As hyper reads it: with any other expectation the caller sends its body at once.
        let waits = request
            .headers()
            .get(EXPECT)
            .is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let body = request.into_body();
        Self {
            body: (!waits && !body.is_end_stream()).then_some(body),
            timer: None,
            read: 0,
        }
    }
}

impl<B: Body> Future for Drain<B> {
    type Output = Rest;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Rest> {
        let mut this = self.project();
        let Some(mut body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Ready(Rest::Nothing);
        };
        for _ in 0..FRAMES_PER_POLL {
            match body.as_mut().poll_frame(cx) {
                Poll::Pending => return overdue(this.timer, cx),
                // A body that breaks off has no more bytes in the way.
                Poll::Ready(None | Some(Err(_))) => return Poll::Ready(Rest::Nothing),
                Poll::Ready(Some(Ok(frame))) => {
                    let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                    *this.read = this.read.saturating_add(bytes);
                    if *this.read > MAX_BYTES {
                        return Poll::Ready(Rest::Unread);
                    }
                }
            }
        }
        cx.waker().wake_by_ref();
        overdue(this.timer, cx)
    }
}

/// Returns `Unread` when the time is over, which begins when it is first asked for.
fn overdue(mut timer: Pin<&mut Option<Sleep>>, cx: &mut Context<'_>) -> Poll<Rest> {
    if timer.is_none() {
        timer.set(Some(sleep(MAX_TIME)));
    }
    match timer.as_pin_mut() {
        Some(timer) => timer.poll(cx).map(|()| Rest::Unread),
        None => Poll::Pending,
    }
}
