//! The response future of a guard that has decided: the inner service's, or a refusal, which waits
//! until the body of the refused request is read.

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

use super::audit::Audit;
use super::body::AuthBody;
use super::drain::{Drain, Rest};
use crate::context::RequestContext;
use crate::error::AuthError;

pin_project! {
    /// The response future of [`Require`](super::Require), and of a guard that has decided.
    pub struct VerdictFuture<F, B> {
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, B> {
        Inner {
            #[pin]
            future: F,
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

impl<F, B: Body> VerdictFuture<F, B> {
    pub(crate) fn inner(future: F) -> Self {
        Self {
            state: State::Inner {
                future,
                audit: None,
            },
        }
    }

    /// Writes the audit line when the answer is there.
    pub(super) fn audited(future: F, audit: Option<Audit>) -> Self {
        Self {
            state: State::Inner { future, audit },
        }
    }

    /// Refuses this request and logs the cause.
    pub(crate) fn refused(error: AuthError, request: Request<B>) -> Self {
        let correlation_id =
            RequestContext::correlation_id_for(request.headers(), request.extensions());
        tracing::debug!(
            cause = error.cause().as_str(),
            status = error.status().as_u16(),
            correlation_id = correlation_id.as_ref().map(CorrelationId::as_str),
            "request refused"
        );
        Self {
            state: State::Refused {
                error,
                version: request.version(),
                correlation_id,
                to_head: request.method() == Method::HEAD,
                drain: Drain::new(request),
            },
        }
    }
}

impl<F, ReqB, ResB, E> Future for VerdictFuture<F, ReqB>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    ReqB: Body,
{
    type Output = Result<Response<AuthBody<ResB>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Inner { future, audit } => {
                let response = ready!(future.poll(cx))?;
                if let Some(audit) = audit.take() {
                    audit.answered(response.status());
                }
                Poll::Ready(Ok(response.map(AuthBody::inner)))
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
                // Over HTTP/2, hyper sends every body that it is given, and a client treats a body
                // after HEAD as a broken stream.
                let length = response.body().len().into();
                response.headers_mut().insert(CONTENT_LENGTH, length);
                Poll::Ready(Ok(response.map(|_| AuthBody::absent())))
            }
        }
    }
}

impl<F, B> fmt::Debug for VerdictFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerdictFuture").finish_non_exhaustive()
    }
}
