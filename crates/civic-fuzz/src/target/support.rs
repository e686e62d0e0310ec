//! What several targets need: a clock that does not wait, and bodies in frames.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
}

/// Runs a future to its end. Time passes only where nothing else is left to do.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// A body of frames that have all arrived.
pub(crate) struct Frames {
    frames: VecDeque<Result<Frame<Bytes>, &'static str>>,
    hint: SizeHint,
}

/// How a body ends after its data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Clean,
    Trailers,
    Broken,
}

impl Frames {
    /// Cuts `data` into frames whose lengths depend on `pattern`; some of them are empty. A pattern
    /// of zero leaves it whole.
    pub(crate) fn cut(data: &[u8], pattern: u8, end: End) -> Self {
        let mut frames = VecDeque::new();
        let mut rest = Bytes::copy_from_slice(data);
        let mut turn = u32::from(pattern);
        while !rest.is_empty() {
            let length = match pattern {
                0 => rest.len(),
                _ => (turn % 8) as usize,
            };
            turn = turn.wrapping_mul(7).wrapping_add(3) % 251;
            frames.push_back(Ok(Frame::data(rest.split_to(length.min(rest.len())))));
        }
        match end {
            End::Clean => {}
            End::Trailers => {
                let trailers = HeaderMap::from_iter([(
                    http::HeaderName::from_static("x-checksum"),
                    http::HeaderValue::from_static("1"),
                )]);
                frames.push_back(Ok(Frame::trailers(trailers)));
            }
            End::Broken => frames.push_back(Err("reset")),
        }
        Self {
            frames,
            hint: SizeHint::default(),
        }
    }

    /// Says this of its length, true or not.
    pub(crate) fn with_hint(mut self, length: u64) -> Self {
        self.hint = SizeHint::with_exact(length);
        self
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(self.frames.pop_front())
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}
