//! The response body of a guard: the inner service's, or that of a refusal.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The response body of a layer of this crate that may answer by itself.
    ///
    /// It is the inner service's body, or the error body of the layer's own answer.
    pub struct AuthBody<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<B> {
        Inner { #[pin] body: B },
        Refusal { data: Bytes },
        // The absent body of an answer to HEAD that has a `content-length`. It says that it is
        // empty, so that no layer compresses it into something that is not.
        Absent,
    }
}

impl<B> AuthBody<B> {
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

/// An empty body, for layers that make an answer of their own.
impl<B> Default for AuthBody<B> {
    fn default() -> Self {
        Self::from(Bytes::new())
    }
}

/// The body of a refusal.
impl<B> From<Bytes> for AuthBody<B> {
    fn from(data: Bytes) -> Self {
        Self {
            state: State::Refusal { data },
        }
    }
}

impl<B: Body<Data = Bytes>> Body for AuthBody<B> {
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
            State::Absent => SizeHint::with_exact(0),
        }
    }
}

impl<B> fmt::Debug for AuthBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Inner { .. } => "AuthBody::Inner",
            State::Refusal { .. } => "AuthBody::Refusal",
            State::Absent => "AuthBody::Absent",
        })
    }
}
