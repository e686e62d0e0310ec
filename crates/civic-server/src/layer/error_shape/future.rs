//! The response future: the inner service's answer, or an error body in its place.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody, FailureSource};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, response};
use http_body::Body;
use pin_project_lite::pin_project;

use super::shape::{self, MAX_TEXT_BYTES, Shape};
use crate::content_type::APPLICATION_JSON;
use crate::layer::answer_body::AnswerBody;

pin_project! {
    /// The response future of [`ErrorShape`](super::ErrorShape).
    pub struct ErrorShapeFuture<F, B> {
        #[pin]
        state: State<F, B>,
        answer: Answer,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, B> {
        Calling {
            #[pin]
            inner: F,
        },
        Reading {
            parts: Option<response::Parts>,
            #[pin]
            body: B,
            text: Vec<u8>,
        },
    }
}

/// Whether the answer's body is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    Sent,
    /// The request was HEAD: only the length of the body is sent.
    Length,
}

/// What an answer needs to know of its request.
#[derive(Debug)]
struct Answer {
    id: Option<CorrelationId>,
    content: Content,
}

impl<F, B> ErrorShapeFuture<F, B> {
    pub(super) const fn new(inner: F, id: Option<CorrelationId>, content: Content) -> Self {
        Self {
            state: State::Calling { inner },
            answer: Answer { id, content },
        }
    }
}

impl<F, B, E> Future for ErrorShapeFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<AnswerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Calling { inner } => {
                    let (mut parts, body) = ready!(inner.poll(cx))?.into_parts();
                    if let Some(source) = parts.extensions.get::<FailureSource>() {
                        log(&parts, source);
                    }
                    let response = match Shape::of(&parts, &body.size_hint()) {
                        Shape::Kept => Response::from_parts(parts, AnswerBody::inner(body)),
                        Shape::Body(error) => this.answer.render(parts, error),
                        Shape::UnknownText => {
                            shape::forget_body(&mut parts.headers);
                            parts.headers.insert(CONTENT_TYPE, APPLICATION_JSON);
                            Response::from_parts(parts, AnswerBody::default())
                        }
                        Shape::Text => {
                            let parts = Some(parts);
                            let text = Vec::new();
                            this.state.set(State::Reading { parts, body, text });
                            continue;
                        }
                    };
                    return Poll::Ready(Ok(response));
                }
                StateProjection::Reading {
                    parts,
                    mut body,
                    text,
                } => {
                    // A body that breaks off has no words.
                    while let Some(Ok(frame)) = ready!(body.as_mut().poll_frame(cx)) {
                        if let Some(data) = frame.data_ref()
                            && text.len() + data.len() <= MAX_TEXT_BYTES
                        {
                            text.extend_from_slice(data);
                        }
                    }
                    let parts = parts.take().expect("a future is not polled after its end");
                    let error = shape::with_text(parts.status, text);
                    return Poll::Ready(Ok(this.answer.render(parts, error)));
                }
            }
        }
    }
}

/// Logs why a request failed, for the operator and in the request's span.
fn log(parts: &response::Parts, source: &FailureSource) {
    let status = parts.status.as_u16();
    if status == 500 {
        tracing::error!(status, cause = %source, "the request failed");
    } else if status > 500 {
        tracing::warn!(status, cause = %source, "the request failed");
    } else {
        tracing::debug!(status, cause = %source, "the request was refused");
    }
}

// ===== impl Answer =====

impl Answer {
    /// Renders an error in the place of the answer's own body.
    fn render<B>(
        &mut self,
        mut parts: response::Parts,
        error: ErrorBody,
    ) -> Response<AnswerBody<B>> {
        let error = error.with_correlation_id(self.id.take());
        let json = error.to_json();
        shape::forget_body(&mut parts.headers);
        parts.headers.insert(CONTENT_TYPE, APPLICATION_JSON);
        parts.extensions.insert(error);
        let json = match self.content {
            Content::Sent => json,
            Content::Length => {
                let length = HeaderValue::from(json.len());
                parts.headers.insert(CONTENT_LENGTH, length);
                Bytes::new()
            }
        };
        Response::from_parts(parts, AnswerBody::from(json))
    }
}

impl<F, B> fmt::Debug for ErrorShapeFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorShapeFuture")
            .field("answer", &self.answer)
            .finish_non_exhaustive()
    }
}
