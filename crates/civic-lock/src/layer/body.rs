//! Holds the lock until the response body has ended.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::lease::guard::LeaseGuard;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pin_project! {
    /// The response body of [`Lock`]: it has the lock until it has ended or is dropped.
    pub struct LockBody<B> {
        #[pin]
        inner: BodyKind<B>,
        held: Option<Held>,
    }
}

pin_project! {
    #[project = BodyKindProjection]
    enum BodyKind<B> {
        Passed { #[pin] body: B },
        Made { body: Option<Bytes> },
    }
}

pub(super) struct Held {
    pub(super) guard: LeaseGuard,
    pub(super) lost: BoxFuture<()>,
}

// ===== impl LockBody =====

impl<B> LockBody<B> {
    pub(super) fn passed(body: B, held: Option<Held>) -> Self {
        Self {
            inner: BodyKind::Passed { body },
            held,
        }
    }

    pub(super) fn made(body: Bytes) -> Self {
        Self {
            inner: BodyKind::Made { body: Some(body) },
            held: None,
        }
    }
}

impl<B> Body for LockBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        if let Some(Err(lost)) = this.held.as_ref().map(|held| held.guard.lease().check()) {
            *this.held = None;
            return Poll::Ready(Some(Err(lost.into())));
        }
        let frame = match this.inner.project() {
            BodyKindProjection::Made { body } => {
                return Poll::Ready(body.take().map(|body| Ok(Frame::data(body))));
            }
            BodyKindProjection::Passed { body } => body.poll_frame(cx),
        };
        if frame.is_pending()
            && let Some(held) = this.held
            && held.lost.as_mut().poll(cx).is_ready()
        {
            // It was lost since the check above; the next poll says so.
            cx.waker().wake_by_ref();
        }
        if let Poll::Ready(None) = frame {
            *this.held = None;
        }
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            BodyKind::Passed { body } => body.is_end_stream(),
            BodyKind::Made { body } => body.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            BodyKind::Passed { body } => body.size_hint(),
            BodyKind::Made { body } => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
        }
    }
}

impl<B> fmt::Debug for LockBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lease = self.held.as_ref().map(|held| held.guard.lease());
        f.debug_struct("LockBody")
            .field("lease", &lease)
            .finish_non_exhaustive()
    }
}
