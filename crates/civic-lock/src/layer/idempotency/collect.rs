//! Reads a body up to a bound.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

/// What was read of a body.
pub(super) struct Collected<B> {
    /// Data and trailers, in their order. An error is the last one.
    pub(super) frames: VecDeque<Result<Frame<Bytes>, Box<dyn StdError + Send + Sync>>>,
    pub(super) end: End<B>,
}

/// Why no more was read.
pub(super) enum End<B> {
    /// There is no more.
    Ended,
    /// It could not be read to its end.
    Failed,
    /// The body is longer than the bound. This is the rest of it.
    TooLong(Pin<Box<B>>),
}

impl<B> Collected<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Reads a body. Of one that is longer than `most` bytes, it keeps what it has read.
    pub(super) async fn read(body: B, most: usize) -> Self {
        let mut body = Box::pin(body);
        let mut frames = VecDeque::new();
        let mut length = 0;
        if body.size_hint().lower() > most as u64 {
            let end = End::TooLong(body);
            return Self { frames, end };
        }
        loop {
            let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
            match frame {
                None => {
                    let end = End::Ended;
                    return Self { frames, end };
                }
                Some(Err(error)) => {
                    frames.push_back(Err(error.into()));
                    let end = End::Failed;
                    return Self { frames, end };
                }
                Some(Ok(frame)) => {
                    length += frame.data_ref().map_or(0, Bytes::len);
                    frames.push_back(Ok(frame));
                    if length > most {
                        let end = End::TooLong(body);
                        return Self { frames, end };
                    }
                }
            }
        }
    }

    /// Returns all data that was read, in one piece.
    pub(super) fn data(&self) -> Bytes {
        let mut pieces = self
            .frames
            .iter()
            .filter_map(|frame| frame.as_ref().ok()?.data_ref());
        let (first, second) = (pieces.next(), pieces.next());
        match (first, second) {
            (None, _) => Bytes::new(),
            (Some(only), None) => only.clone(),
            (Some(first), Some(second)) => {
                let mut data = BytesMut::new();
                for piece in [first, second].into_iter().chain(pieces) {
                    data.extend_from_slice(piece);
                }
                data.freeze()
            }
        }
    }
}

impl<B> fmt::Debug for Collected<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collected").finish_non_exhaustive()
    }
}
