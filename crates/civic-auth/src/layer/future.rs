//! The response future of a guard: the inner service's, after a last question to the store of used
//! tokens if there is one, or a refusal, which waits until the body of the refused request is read.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use civic_envelope::CorrelationId;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderValue, Method, Request, Response, Version};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::audit::Audit;
use super::body::AuthBody;
use super::drain::{Drain, Rest};
use crate::context::RequestContext;
use crate::error::{AuthError, Cause};

pin_project! {
    /// The response future of [`Auth`](super::Auth) and [`Require`](super::Require).
    pub struct AuthFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        // A last question decides whether the request goes on to the service, which is ready.
        Asked {
            question: Pin<Box<dyn Future<Output = Result<(), Cause>> + Send>>,
            ready: S,
            request: Option<Request<B>>,
            audit: Option<Audit>,
        },
        Inner {
            #[pin]
            future: S::Future,
            audit: Option<Audit>,
        },
        Refused {
            #[pin]
            drain: Drain<B>,
            error: AuthError,
            version: Version,
            correlation_id: Option<CorrelationId>,
            to_head: bool,
        },
    }
}

// ===== impl AuthFuture =====

impl<S, B> AuthFuture<S, B>
where
    S: Service<Request<B>>,
    B: Body,
{
    pub(crate) fn inner(future: S::Future) -> Self {
        Self::audited(future, None)
    }

    /// Writes the audit line when the answer is there.
    pub(super) fn audited(future: S::Future, audit: Option<Audit>) -> Self {
        Self {
            state: State::Inner { future, audit },
        }
    }

    /// Calls the service if the answer to this question lets the request in, and refuses it
    /// otherwise.
    pub(super) fn asked(
        question: Pin<Box<dyn Future<Output = Result<(), Cause>> + Send>>,
        ready: S,
        request: Request<B>,
        audit: Option<Audit>,
    ) -> Self {
        Self {
            state: State::Asked {
                question,
                ready,
                request: Some(request),
                audit,
            },
        }
    }

    /// Refuses this request and logs the cause.
    pub(crate) fn refused(error: AuthError, request: Request<B>) -> Self {
        Self {
            state: State::refused(error, request),
        }
    }
}

impl<S, ReqB, ResB> Future for AuthFuture<S, ReqB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ReqB: Body,
{
    type Output = Result<Response<AuthBody<ResB>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let next = match state.as_mut().project() {
                StateProjection::Asked {
                    question,
                    ready,
                    request,
                    audit,
                } => {
                    let answer = ready!(question.as_mut().poll(cx));
                    let request = request
                        .take()
                        .expect("a future is not polled after it has completed");
                    let audit = audit.take();
                    match answer.map_err(AuthError::from) {
                        Ok(()) => State::Inner {
                            future: ready.call(request),
                            audit,
                        },
                        Err(error) => {
                            if let Some(audit) = audit {
                                audit.refused(error);
                            }
                            State::refused(error, request)
                        }
                    }
                }
                StateProjection::Inner { future, audit } => {
                    let response = ready!(future.poll(cx))?;
                    if let Some(audit) = audit.take() {
                        audit.answered(response.status());
                    }
                    return Poll::Ready(Ok(response.map(AuthBody::inner)));
                }
                StateProjection::Refused {
                    drain,
                    error,
                    version,
                    correlation_id,
                    to_head,
                } => {
                    let rest = ready!(drain.poll(cx));
                    let mut response = error.into_response::<Bytes>(correlation_id.take());
                    // HTTP/2 ends the stream alone, and knows no such header.
                    if rest == Rest::Unread && *version < Version::HTTP_2 {
                        let close = HeaderValue::from_static("close");
                        response.headers_mut().insert(CONNECTION, close);
                    }
                    if !*to_head {
                        return Poll::Ready(Ok(response.map(AuthBody::from)));
                    }
                    // Over HTTP/2, hyper sends every body that it is given, and a client treats a
                    // body after HEAD as a broken stream.
                    let length = response.body().len().into();
                    response.headers_mut().insert(CONTENT_LENGTH, length);
                    return Poll::Ready(Ok(response.map(|_| AuthBody::absent())));
                }
            };
            state.set(next);
        }
    }
}

impl<S, B> fmt::Debug for AuthFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthFuture").finish_non_exhaustive()
    }
}

// ===== impl State =====

impl<S, B> State<S, B>
where
    S: Service<Request<B>>,
    B: Body,
{
    fn refused(error: AuthError, request: Request<B>) -> Self {
        let correlation_id =
            RequestContext::correlation_id_for(request.headers(), request.extensions());
        tracing::debug!(
            cause = error.cause().as_str(),
            status = error.status().as_u16(),
            correlation_id = correlation_id.as_ref().map(CorrelationId::as_str),
            "request refused"
        );
        Self::Refused {
            error,
            version: request.version(),
            correlation_id,
            to_head: request.method() == Method::HEAD,
            drain: Drain::new(request),
        }
    }
}
