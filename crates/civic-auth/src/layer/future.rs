//! The response future of a guard: the inner service's, or a refusal that is ready at once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use civic_envelope::CorrelationId;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response};
use pin_project_lite::pin_project;

use super::body::AuthBody;
use crate::context::RequestContext;
use crate::error::AuthError;

pin_project! {
    /// The response future of [`Auth`](super::Auth) and [`RequireRole`](super::RequireRole).
    pub struct AuthFuture<F> {
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

impl<F> AuthFuture<F> {
    pub(crate) fn inner(future: F) -> Self {
        Self {
            state: State::Inner { future },
        }
    }

    /// Refuses this request and logs the cause.
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

impl<F, B, E> Future for AuthFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<AuthBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Inner { future } => {
                let response = ready!(future.poll(cx))?;
                Poll::Ready(Ok(response.map(AuthBody::inner)))
            }
            StateProjection::Refused {
                error,
                correlation_id,
                to_head,
            } => {
                let mut response = error.into_response::<Bytes>(correlation_id.take());
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

impl<F> fmt::Debug for AuthFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthFuture").finish_non_exhaustive()
    }
}
