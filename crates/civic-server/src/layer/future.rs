//! The future of [`ErrorShape`](super::ErrorShape).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response};
use pin_project_lite::pin_project;

use crate::layer::body::ErrorShapeBody;

pin_project! {
    /// The future of [`ErrorShape`](super::ErrorShape).
    #[derive(Debug)]
    pub struct ErrorShapeFuture<F> {
        #[pin]
        inner: F,
        id: Option<CorrelationId>,
        content: Content,
    }
}

/// Whether the answer's body is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    Sent,
    /// The request was HEAD: only the length of the body is sent.
    Length,
}

impl<F> ErrorShapeFuture<F> {
    pub(super) const fn new(inner: F, id: Option<CorrelationId>, content: Content) -> Self {
        Self { inner, id, content }
    }
}

impl<F, B, E> Future for ErrorShapeFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ErrorShapeBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        let incomplete = response
            .extensions_mut()
            .get_mut::<ErrorBody>()
            .filter(|body| body.correlation_id().is_none());
        let (Some(body), Some(id)) = (incomplete, this.id.take()) else {
            return Poll::Ready(Ok(response.map(ErrorShapeBody::inner)));
        };
        *body = body.clone().with_correlation_id(id);
        let json = body.to_json();
        let headers = response.headers_mut();
        // The length of the body that was made without the id.
        headers.remove(CONTENT_LENGTH);
        let json = match this.content {
            Content::Sent => json,
            Content::Length => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(json.len()));
                Bytes::new()
            }
        };
        Poll::Ready(Ok(response.map(|_| ErrorShapeBody::rendered(json))))
    }
}
