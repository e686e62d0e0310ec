//! The body of an answer that passed [`ErrorShape`](super::ErrorShape).

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of an answer: the inner service's, or an error body that was rendered again.
    #[derive(Debug)]
    pub struct ErrorShapeBody<B> {
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
        Rendered { json: Option<Bytes> },
    }
}

impl<B> ErrorShapeBody<B> {
    pub(super) const fn inner(body: B) -> Self {
        Self {
            content: Content::Inner { body },
        }
    }

    /// An empty text is no frame at all, as the answer to a HEAD request needs it.
    pub(super) fn rendered(json: Bytes) -> Self {
        Self {
            content: Content::Rendered {
                json: Some(json).filter(|json| !json.is_empty()),
            },
        }
    }
}

impl<B: Body<Data = Bytes>> Body for ErrorShapeBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().content.project() {
            ContentProjection::Inner { body } => body.poll_frame(cx),
            ContentProjection::Rendered { json } => {
                Poll::Ready(json.take().map(|json| Ok(Frame::data(json))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Inner { body } => body.is_end_stream(),
            Content::Rendered { json } => json.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Inner { body } => body.size_hint(),
            Content::Rendered { json } => {
                SizeHint::with_exact(json.as_ref().map_or(0, |json| json.len() as u64))
            }
        }
    }
}
