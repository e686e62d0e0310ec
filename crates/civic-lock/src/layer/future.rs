//! Holds the lock while the inner service runs.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::layer::body::{BoxFuture, Held, LockBody};
use crate::layer::refusal::{Refusal, refusal};
use crate::lease::guard::LeaseGuard;
use crate::lease::lease::Lease;
use crate::outcome::Acquisition;

pin_project! {
    /// The response future of [`Lock`].
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
        correlation_id: Option<String>,
        retry_after: Duration,
    }
}

pin_project! {
    #[project = StateProjection]
    pub(super) enum State<S, B, F> {
        Acquiring {
            acquiring: BoxFuture<Acquisition>,
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
            lost: BoxFuture<()>,
        },
        Done,
    }
}

// ===== impl ResponseFuture =====

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    pub(super) fn new(
        state: State<S, B, S::Future>,
        correlation_id: Option<String>,
        retry_after: Duration,
    ) -> Self {
        Self {
            state,
            correlation_id,
            retry_after,
        }
    }
}

impl<S, ReqB, ResB> Future for ResponseFuture<S, ReqB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body<Data = Bytes>,
{
    type Output = Result<Response<LockBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
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
                    refused => {
                        let answer = refusal(&refused, *this.retry_after);
                        return Poll::Ready(Ok(answer.into_response(this.correlation_id.take())));
                    }
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
                    // What has ended is not thrown away.
                    if let Poll::Ready(response) = running.poll(cx) {
                        let lost = std::mem::replace(lost, Box::pin(std::future::pending()));
                        let held = guard.take().map(|guard| Held { guard, lost });
                        return Poll::Ready(
                            response
                                .map(|response| response.map(|body| LockBody::passed(body, held))),
                        );
                    }
                    ready!(lost.as_mut().poll(cx));
                    let answer = Refusal {
                        status: StatusCode::SERVICE_UNAVAILABLE,
                        message: "The lock was lost while the request was being served",
                        retry_after: None,
                    };
                    // The inner future goes first, then the guard.
                    this.state.set(State::Done);
                    return Poll::Ready(Ok(answer.into_response(this.correlation_id.take())));
                }
                StateProjection::Done => unreachable!("polled after it was ready"),
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

fn lost(lease: Lease) -> BoxFuture<()> {
    Box::pin(async move {
        lease.lost().await;
    })
}
