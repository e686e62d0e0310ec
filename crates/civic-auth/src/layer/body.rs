//! The body of an answer that a guard may have given instead of the inner service.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The inner service's body, or the guard's refusal.
    pub struct GuardBody<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<B> {
        Inner { #[pin] body: B },
        Refusal { data: Bytes },
    }
}

impl<B> GuardBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self {
            state: State::Inner { body },
        }
    }
}

/// A refusal.
impl<B> From<Bytes> for GuardBody<B> {
    fn from(data: Bytes) -> Self {
        Self {
            state: State::Refusal { data },
        }
    }
}

impl<B: Body<Data = Bytes>> Body for GuardBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().state.project() {
            StateProjection::Inner { body } => body.poll_frame(cx),
            StateProjection::Refusal { data } if data.is_empty() => Poll::Ready(None),
            StateProjection::Refusal { data } => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(data)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Inner { body } => body.is_end_stream(),
            State::Refusal { data } => data.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Inner { body } => body.size_hint(),
            State::Refusal { data } => SizeHint::with_exact(data.len() as u64),
        }
    }
}

impl<B> fmt::Debug for GuardBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Inner { .. } => "GuardBody::Inner",
            State::Refusal { .. } => "GuardBody::Refusal",
        })
    }
}
