//! The body of a layer that may answer by itself.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The response body of a layer of this crate that may answer by itself: the inner service's
    /// body, or that of the layer's own answer.
    #[derive(Debug)]
    pub struct AnswerBody<B> {
        #[pin]
        content: Content<B>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = ContentProjection]
    enum Content<B> {
        Inner { #[pin] body: B },
        /// `None` once it was sent.
        Own { json: Option<Bytes> },
    }
}

impl<B> AnswerBody<B> {
    pub(super) const fn inner(body: B) -> Self {
        Self {
            content: Content::Inner { body },
        }
    }
}

/// The body of the layer's own answer. An empty text is no frame at all, as the answer to a HEAD
/// request needs it.
impl<B> From<Bytes> for AnswerBody<B> {
    fn from(json: Bytes) -> Self {
        Self {
            content: Content::Own {
                json: Some(json).filter(|json| !json.is_empty()),
            },
        }
    }
}

/// An empty body, for layers that make an answer of their own.
impl<B> Default for AnswerBody<B> {
    fn default() -> Self {
        Self::from(Bytes::new())
    }
}

impl<B: Body<Data = Bytes>> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().content.project() {
            ContentProjection::Inner { body } => body.poll_frame(cx),
            ContentProjection::Own { json } => {
                Poll::Ready(json.take().map(|json| Ok(Frame::data(json))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Inner { body } => body.is_end_stream(),
            Content::Own { json } => json.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Inner { body } => body.size_hint(),
            Content::Own { json } => {
                SizeHint::with_exact(json.as_ref().map_or(0, |json| json.len() as u64))
            }
        }
    }
}
