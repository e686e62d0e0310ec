//! The response body of the service.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::layer::idempotency::collect::{Collected, End};

pin_project! {
    /// The response body of [`Idempotency`](super::Idempotency): that of the inner service, a
    /// stored one, or one that says why there is none.
    pub struct IdempotencyBody<B> {
        // What is at hand comes first.
        frames: VecDeque<Result<Frame<Bytes>, Box<dyn StdError + Send + Sync>>>,
        #[pin]
        rest: Rest<B>,
    }
}

pin_project! {
    #[project = RestProjection]
    enum Rest<B> {
        None,
        Passed { #[pin] body: B },
        Begun { body: Pin<Box<B>> },
    }
}

impl<B> IdempotencyBody<B> {
    pub(super) fn passed(body: B) -> Self {
        Self {
            frames: VecDeque::new(),
            rest: Rest::Passed { body },
        }
    }

    pub(super) fn generated(body: Bytes) -> Self {
        let frame = Some(body).filter(|body| !body.is_empty());
        Self {
            frames: frame
                .map(|body| Ok(Frame::data(body)))
                .into_iter()
                .collect(),
            rest: Rest::None,
        }
    }

    pub(super) fn collected(collected: Collected<B>) -> Self {
        Self {
            frames: collected.frames,
            rest: match collected.end {
                End::Ended | End::Failed => Rest::None,
                End::TooLong(body) => Rest::Begun { body },
            },
        }
    }
}

impl<B> Body for IdempotencyBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        if let Some(frame) = this.frames.pop_front() {
            return Poll::Ready(Some(frame));
        }
        let frame = match this.rest.project() {
            RestProjection::None => return Poll::Ready(None),
            RestProjection::Passed { body } => body.poll_frame(cx),
            RestProjection::Begun { body } => body.as_mut().poll_frame(cx),
        };
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
            && match &self.rest {
                Rest::None => true,
                Rest::Passed { body } => body.is_end_stream(),
                Rest::Begun { body } => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let at_hand: usize = self
            .frames
            .iter()
            .filter_map(|frame| frame.as_ref().ok()?.data_ref())
            .map(Bytes::len)
            .sum();
        let rest = match &self.rest {
            Rest::None if self.frames.iter().any(Result::is_err) => SizeHint::default(),
            Rest::None => SizeHint::with_exact(0),
            Rest::Passed { body } => body.size_hint(),
            Rest::Begun { body } => body.size_hint(),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(at_hand as u64));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(at_hand as u64));
        }
        hint
    }
}

impl<B> fmt::Debug for IdempotencyBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyBody").finish_non_exhaustive()
    }
}
