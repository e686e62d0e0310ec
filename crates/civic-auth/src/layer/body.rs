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
        // The absent body of a refusal of HEAD. It hides its length, which is not that of the refusal of
        // GET, so that nobody announces it.
        Absent,
    }
}

impl<B> GuardBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self {
            state: State::Inner { body },
        }
    }

    pub(crate) fn absent() -> Self {
        Self {
            state: State::Absent,
        }
    }
}

/// An empty body, which layers that answer themselves ask for.
impl<B> Default for GuardBody<B> {
    fn default() -> Self {
        Self::from(Bytes::new())
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
            StateProjection::Absent => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Inner { body } => body.is_end_stream(),
            State::Refusal { data } => data.is_empty(),
            State::Absent => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Inner { body } => body.size_hint(),
            State::Refusal { data } => SizeHint::with_exact(data.len() as u64),
            State::Absent => SizeHint::default(),
        }
    }
}

impl<B> fmt::Debug for GuardBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Inner { .. } => "GuardBody::Inner",
            State::Refusal { .. } => "GuardBody::Refusal",
            State::Absent => "GuardBody::Absent",
        })
    }
}
