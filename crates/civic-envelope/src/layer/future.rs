//! The future of a response that may be wrapped.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Response, response};
use http_body::Body;
use pin_project_lite::pin_project;

use super::body::{EnvelopeBody, HeadLength};
use super::check::{CheckFailed, Collected, refusal};
use super::head::{self, Exchange, Plan};
use super::meta::EnvelopeMeta;
use super::settings::Settings;
use crate::envelope::Enveloped;
use crate::wire::{self, ENVELOPE_HEADER};

pin_project! {
    /// The response future of [`EnvelopeService`](super::EnvelopeService).
    pub struct EnvelopeFuture<F, B> {
        #[pin]
        state: State<F, B>,
        exchange: Exchange,
        settings: Arc<Settings>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, B> {
        Calling {
            #[pin]
            inner: F,
        },
        Checking {
            head: Option<response::Parts>,
            #[pin]
            body: B,
            collected: Collected,
        },
    }
}

impl<F, B> EnvelopeFuture<F, B> {
    pub(super) fn new(inner: F, exchange: Exchange, settings: Arc<Settings>) -> Self {
        Self {
            state: State::Calling { inner },
            exchange,
            settings,
        }
    }
}

impl<F, B, E> Future for EnvelopeFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
{
    type Output = Result<Response<EnvelopeBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let refuse = |why: CheckFailed| {
            refusal(
                why,
                this.exchange.correlation_id.clone(),
                this.settings.now(),
            )
        };
        loop {
            match this.state.as_mut().project() {
                StateProjection::Calling { inner } => {
                    let (mut parts, body) = ready!(inner.poll(cx))?.into_parts();
                    if this.settings.max_checked_bytes.is_some()
                        && parts.extensions.get::<Enveloped>().is_none()
                    {
                        parts.headers.remove(ENVELOPE_HEADER);
                    }
                    let hint = body.size_hint();
                    let body = match (
                        this.exchange.plan(&parts, &hint),
                        this.settings.max_checked_bytes,
                    ) {
                        (Plan::Pass, _) => EnvelopeBody::pass(body),
                        (Plan::PassHead, _) => EnvelopeBody::head(HeadLength::Hidden),
                        (Plan::WrapHead { length }, _) => {
                            head::rewrite(&mut parts);
                            match length {
                                Some(length) => {
                                    parts.headers.insert(CONTENT_LENGTH, length.into());
                                    EnvelopeBody::head(HeadLength::Announced)
                                }
                                None => EnvelopeBody::head(HeadLength::Hidden),
                            }
                        }
                        (Plan::Wrap, None) => {
                            head::rewrite(&mut parts);
                            EnvelopeBody::splice(body, suffix(&parts, this.settings))
                        }
                        (Plan::Wrap, Some(max)) => match Collected::up_to(max, &hint) {
                            Ok(collected) => {
                                let head = Some(parts);
                                this.state.set(State::Checking {
                                    head,
                                    body,
                                    collected,
                                });
                                continue;
                            }
                            Err(why) => return Poll::Ready(Ok(refuse(why))),
                        },
                    };
                    return Poll::Ready(Ok(Response::from_parts(parts, body)));
                }
                StateProjection::Checking {
                    head,
                    body,
                    collected,
                } => {
                    let (payload, trailers) = match ready!(collected.poll(body, cx)) {
                        Ok(checked) => checked,
                        Err(why) => return Poll::Ready(Ok(refuse(why))),
                    };
                    let mut parts = head.take().expect("a future is not polled after its end");
                    head::rewrite(&mut parts);
                    let suffix = suffix(&parts, this.settings);
                    let body = EnvelopeBody::checked(payload, suffix, trailers);
                    return Poll::Ready(Ok(Response::from_parts(parts, body)));
                }
            }
        }
    }
}

/// Returns the bytes that follow the payload of this response.
fn suffix(parts: &response::Parts, settings: &Settings) -> Bytes {
    let suffix = wire::suffix(settings.now());
    match parts.extensions.get::<EnvelopeMeta>() {
        None => Bytes::copy_from_slice(&suffix),
        Some(meta) => meta.after(&suffix),
    }
}

impl<F, B> fmt::Debug for EnvelopeFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvelopeFuture")
            .field("exchange", &self.exchange)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
