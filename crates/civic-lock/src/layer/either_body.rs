//! A body that is passed on, or one that a layer has at hand.

use std::error::Error as StdError;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A body that is passed on, or one that a layer has at hand.
    #[project = EitherBodyProjection]
    pub(super) enum EitherBody<B> {
        Passed { #[pin] body: B },
        Generated { body: Option<Bytes> },
    }
}

impl<B> EitherBody<B> {
    pub(super) fn passed(body: B) -> Self {
        Self::Passed { body }
    }

    pub(super) fn generated(body: Bytes) -> Self {
        Self::Generated {
            body: Some(body).filter(|body| !body.is_empty()),
        }
    }
}

impl<B> Body for EitherBody<B>
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
        match self.project() {
            EitherBodyProjection::Passed { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            EitherBodyProjection::Generated { body } => {
                Poll::Ready(body.take().map(|body| Ok(Frame::data(body))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Passed { body } => body.is_end_stream(),
            Self::Generated { body } => body.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Passed { body } => body.size_hint(),
            Self::Generated { body } => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
        }
    }
}
