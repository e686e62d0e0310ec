//! The future of a guard: the inner service's, or a refusal that is ready at once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use civic_envelope::CorrelationId;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response};
use pin_project_lite::pin_project;

use crate::context::RequestContext;
use crate::error::AuthError;
use crate::layer::body::GuardBody;

pin_project! {
    /// The future of [`Auth`](crate::Auth) and of [`RequireRole`](crate::RequireRole).
    pub struct GuardFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Inner { #[pin] future: F },
        Refused {
            error: AuthError,
            correlation_id: Option<CorrelationId>,
            to_head: bool,
        },
    }
}

impl<F> GuardFuture<F> {
    pub(crate) fn inner(future: F) -> Self {
        Self {
            state: State::Inner { future },
        }
    }

    /// Refuses this request, and says why in the log.
    pub(crate) fn refused<B>(error: AuthError, request: &Request<B>) -> Self {
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
                correlation_id,
                to_head: request.method() == Method::HEAD,
            },
        }
    }
}

impl<F, B, E> Future for GuardFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<GuardBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Inner { future } => {
                let response = ready!(future.poll(cx))?;
                Poll::Ready(Ok(response.map(GuardBody::inner)))
            }
            StateProjection::Refused {
                error,
                correlation_id,
                to_head,
            } => {
                let mut response = error.into_response::<Bytes>(correlation_id.as_ref());
                if !*to_head {
                    return Poll::Ready(Ok(response.map(GuardBody::from)));
                }
                // Over HTTP/2, hyper sends whatever body there is, and a client takes one after HEAD
                // for a broken stream.
                let length = response.body().len().into();
                response.headers_mut().insert(CONTENT_LENGTH, length);
                Poll::Ready(Ok(response.map(|_| GuardBody::absent())))
            }
        }
    }
}

impl<F> fmt::Debug for GuardFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardFuture").finish_non_exhaustive()
    }
}
