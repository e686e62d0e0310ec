//! Waits for the store's word, and then for the inner service.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use civic_envelope::CorrelationId;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::layer::fence::body::FenceBody;
use crate::layer::fence::fences::Fences;
use crate::layer::fence::refusal::FenceRefusal;

pin_project! {
    /// The response future of [`Fence`](super::Fence).
    pub struct FenceFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
        correlation_id: Option<CorrelationId>,
        retry_after: Duration,
    }
}

pin_project! {
    #[project = StateProjection]
    pub(super) enum State<S, B, F> {
        Admitting {
            admitting: Pin<Box<dyn Future<Output = Result<Fences, FenceRefusal>> + Send>>,
            // Both are taken when the fences are admitted.
            inner: Option<S>,
            request: Option<Request<B>>,
        },
        Running {
            #[pin]
            running: F,
        },
    }
}

impl<S: Service<Request<B>>, B> FenceFuture<S, B> {
    pub(super) fn new(
        state: State<S, B, S::Future>,
        correlation_id: Option<CorrelationId>,
        retry_after: Duration,
    ) -> Self {
        Self {
            state,
            correlation_id,
            retry_after,
        }
    }
}

impl<S, ReqB, ResB> Future for FenceFuture<S, ReqB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
{
    type Output = Result<Response<FenceBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let running = match this.state.as_mut().project() {
                StateProjection::Admitting {
                    admitting,
                    inner,
                    request,
                } => match ready!(admitting.as_mut().poll(cx)) {
                    Ok(fences) => {
                        let (Some(mut inner), Some(mut request)) = (inner.take(), request.take())
                        else {
                            unreachable!("taken only on the way out of this state");
                        };
                        request.extensions_mut().insert(fences);
                        inner.call(request)
                    }
                    Err(refusal) => {
                        let correlation_id = this.correlation_id.take();
                        let response = refusal.into_response(*this.retry_after, correlation_id);
                        return Poll::Ready(Ok(response));
                    }
                },
                StateProjection::Running { running } => {
                    let response = ready!(running.poll(cx))?;
                    return Poll::Ready(Ok(response.map(FenceBody::passed)));
                }
            };
            this.state.set(State::Running { running });
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for FenceFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FenceFuture").finish_non_exhaustive()
    }
}
