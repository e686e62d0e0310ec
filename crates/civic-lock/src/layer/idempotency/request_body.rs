//! The request body that the inner service gets.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::layer::either_body::EitherBody;

pin_project! {
    /// The request body that the inner service of [`Idempotency`](super::Idempotency) gets: that of
    /// the request, or if the request has a key, what was read of it before the store was asked.
    pub struct IdempotencyRequestBody<B> {
        #[pin]
        inner: EitherBody<B>,
    }
}

impl<B> IdempotencyRequestBody<B> {
    pub(super) fn passed(body: B) -> Self {
        let inner = EitherBody::passed(body);
        Self { inner }
    }

    pub(super) fn buffered(body: Bytes) -> Self {
        let inner = EitherBody::generated(body);
        Self { inner }
    }
}

impl<B> Body for IdempotencyRequestBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> fmt::Debug for IdempotencyRequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyRequestBody")
            .finish_non_exhaustive()
    }
}
