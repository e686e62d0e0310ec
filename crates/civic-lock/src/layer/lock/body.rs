//! Holds the lock until the response body has ended.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::layer::either_body::EitherBody;
use crate::lease::guard::LeaseGuard;
use crate::lease::machine::LostReason;

pin_project! {
    /// The response body of [`Lock`](super::Lock). It holds the lock until it has ended or is
    /// dropped.
    pub struct LockBody<B> {
        #[pin]
        inner: EitherBody<B>,
        held: Option<Held>,
    }
}

/// A lock that a body holds.
pub(super) struct Held {
    pub(super) guard: LeaseGuard,
    pub(super) lost: Pin<Box<dyn Future<Output = LostReason> + Send>>,
}

impl<B> LockBody<B> {
    /// A body of the inner service.
    pub(super) fn passed(body: B, held: Option<Held>) -> Self {
        Self {
            inner: EitherBody::passed(body),
            held,
        }
    }

    /// A body of the layer itself.
    pub(super) fn generated(body: Bytes) -> Self {
        Self {
            inner: EitherBody::generated(body),
            held: None,
        }
    }
}

impl<B> Body for LockBody<B>
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
        if let Some(Err(lost)) = this.held.as_ref().map(|held| held.guard.lease().check()) {
            *this.held = None;
            return Poll::Ready(Some(Err(lost.into())));
        }
        let frame = this.inner.poll_frame(cx);
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
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
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
