//! Holds the lock while the inner service runs.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use civic_envelope::CorrelationId;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::layer::lock::body::{Held, LockBody};
use crate::layer::lock::refusal::LockRefusal;
use crate::lease::guard::LeaseGuard;
use crate::lease::lease::Lease;
use crate::lease::machine::LostReason;
use crate::outcome::Acquisition;

pin_project! {
    /// The response future of [`Lock`](super::Lock).
    pub struct LockFuture<S, B>
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
        Acquiring {
            acquiring: Pin<Box<dyn Future<Output = Acquisition> + Send>>,
            // Both are taken when the lock is.
            inner: Option<S>,
            request: Option<Request<B>>,
        },
        Unlocked {
            #[pin]
            running: F,
        },
        Locked {
            #[pin]
            running: F,
            guard: Option<LeaseGuard>,
            lost: Pin<Box<dyn Future<Output = LostReason> + Send>>,
        },
        Done,
    }
}

impl<S: Service<Request<B>>, B> LockFuture<S, B> {
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

impl<S, ReqB, ResB> Future for LockFuture<S, ReqB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
{
    type Output = Result<Response<LockBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let refusal = loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Acquiring {
                    acquiring,
                    inner,
                    request,
                } => match ready!(acquiring.as_mut().poll(cx)) {
                    Acquisition::Acquired(guard) => {
                        let (Some(mut inner), Some(mut request)) = (inner.take(), request.take())
                        else {
                            unreachable!("taken only on the way out of this state");
                        };
                        let lease = guard.lease().clone();
                        request.extensions_mut().insert(lease.clone());
                        State::Locked {
                            running: inner.call(request),
                            guard: Some(guard),
                            lost: lost(lease),
                        }
                    }
                    Acquisition::Busy { holder, ttl } => break LockRefusal::Busy { holder, ttl },
                    Acquisition::Unavailable(error) => {
                        break LockRefusal::Unavailable(Arc::new(error));
                    }
                    Acquisition::Invalid(error) => break LockRefusal::InvalidKey(Arc::new(error)),
                },
                StateProjection::Unlocked { running } => {
                    let response = ready!(running.poll(cx))?;
                    return Poll::Ready(Ok(response.map(|body| LockBody::passed(body, None))));
                }
                StateProjection::Locked {
                    running,
                    guard,
                    lost,
                } => {
                    // A response that has arrived is not thrown away.
                    if let Poll::Ready(response) = running.poll(cx) {
                        let lost = std::mem::replace(lost, Box::pin(std::future::pending()));
                        let held = guard.take().map(|guard| Held { guard, lost });
                        return Poll::Ready(
                            response
                                .map(|response| response.map(|body| LockBody::passed(body, held))),
                        );
                    }
                    break LockRefusal::Lost(ready!(lost.as_mut().poll(cx)));
                }
                StateProjection::Done => unreachable!("polled after it was ready"),
            };
            this.state.set(next);
        };
        // The inner future is dropped first, then the guard.
        this.state.set(State::Done);
        let correlation_id = this.correlation_id.take();
        Poll::Ready(Ok(refusal.into_response(*this.retry_after, correlation_id)))
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for LockFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockFuture").finish_non_exhaustive()
    }
}

fn lost(lease: Lease) -> Pin<Box<dyn Future<Output = LostReason> + Send>> {
    Box::pin(async move { lease.lost().await })
}
