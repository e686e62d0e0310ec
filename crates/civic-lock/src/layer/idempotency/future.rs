//! The response future of the service.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use crate::layer::idempotency::body::IdempotencyBody;

pin_project! {
    /// The response future of [`Idempotency`](super::Idempotency).
    pub struct IdempotencyFuture<F, B, E> {
        #[pin]
        state: State<F, B, E>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, B, E> {
        Passed {
            #[pin]
            inner: F,
        },
        Keyed {
            answer: Pin<Box<dyn Future<Output = Result<Response<IdempotencyBody<B>>, E>> + Send>>,
        },
    }
}

impl<F, B, E> IdempotencyFuture<F, B, E> {
    pub(super) fn passed(inner: F) -> Self {
        let state = State::Passed { inner };
        Self { state }
    }

    pub(super) fn keyed(
        answer: impl Future<Output = Result<Response<IdempotencyBody<B>>, E>> + Send + 'static,
    ) -> Self {
        let answer = Box::pin(answer);
        let state = State::Keyed { answer };
        Self { state }
    }
}

impl<F, B, E> Future for IdempotencyFuture<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<IdempotencyBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Passed { inner } => {
                let response = ready!(inner.poll(cx))?;
                Poll::Ready(Ok(response.map(IdempotencyBody::passed)))
            }
            StateProjection::Keyed { answer } => answer.as_mut().poll(cx),
        }
    }
}

impl<F, B, E> fmt::Debug for IdempotencyFuture<F, B, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyFuture").finish_non_exhaustive()
    }
}
