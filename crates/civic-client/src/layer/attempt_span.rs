//! One span an attempt, with OpenTelemetry's names for HTTP clients.
//!
//! | field | value |
//! |---|---|
//! | `otel.name` | `{method} {url.template}`, or the method alone: never the path, which has ids in it |
//! | `otel.kind` | `client` |
//! | `http.request.method` | the method |
//! | `url.template` | the template, if the request has a [`UrlTemplate`] |
//! | `server.address`, `server.port` | of the peer |
//! | `http.request.resend_count` | 1 for the first retry, 2 for the next; absent on the first attempt |
//! | `http.response.status_code` | of the answer |
//! | `error.type` | the status for 4xx and 5xx, else the [`ErrorKind`](crate::ErrorKind)'s name; absent on success |
//! | `otel.status_code` | `ERROR` where there is an `error.type` |
//! | `correlation_id` | the call's |
//!
//! There is no span around the whole call: the conventions want one client span for one request on the
//! wire.
//!
//! `url.full`, which the conventions ask for, is left out on purpose: it holds ids and query strings, and no
//! exporter can be trusted to take them out. Without them it would say no more than `server.address`,
//! `server.port` and `url.template` do, and would be no URL that anybody ever asked for.
//!
//! Belongs inside of the retry layer and **outside** of the attempt timeout. Inside of the timeout, an
//! attempt that ran out of time would only see its future dropped, like one whose caller has gone away; and
//! a caller that goes away is no error, so it sets no `error.type`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use civic_auth::CorrelationId;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Span, field};

use super::retry::AttemptNumber;
use crate::error::Error;
use crate::options::UrlTemplate;

/// Wraps each attempt in a span. See the [module docs](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct AttemptSpanLayer {
    _private: (),
}

impl AttemptSpanLayer {
    /// The layer.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }
}

impl<S> Layer<S> for AttemptSpanLayer {
    type Service = AttemptSpan<S>;

    fn layer(&self, inner: S) -> AttemptSpan<S> {
        AttemptSpan { inner }
    }
}

/// Wraps each attempt in a span. See the [module docs](self).
#[derive(Clone, Debug)]
pub struct AttemptSpan<S> {
    inner: S,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for AttemptSpan<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    S::Error: Into<Error>,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = AttemptSpanFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let span = span_of(&request);
        let inner = span.in_scope(|| self.inner.call(request));
        AttemptSpanFuture { inner, span }
    }
}

fn span_of<B>(request: &Request<B>) -> Span {
    let method = request.method().as_str();
    let template = request
        .extensions()
        .get::<UrlTemplate>()
        .map(UrlTemplate::as_str);
    let name = template.map(|template| format!("{method} {template}"));
    let resends = request
        .extensions()
        .get::<AttemptNumber>()
        .map(|attempt| attempt.number().saturating_sub(1))
        .filter(|resends| *resends > 0);
    let uri = request.uri();
    let port = uri.port_u16().or_else(|| match uri.scheme_str()? {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    });
    tracing::info_span!(
        target: "civic_client",
        "http.client.attempt",
        otel.name = name.as_deref().unwrap_or(method),
        otel.kind = "client",
        otel.status_code = field::Empty,
        http.request.method = method,
        http.request.resend_count = resends,
        http.response.status_code = field::Empty,
        url.template = template,
        // An address of IPv6 has brackets in a URL only.
        server.address = uri.host().map(|host| host.trim_matches(['[', ']'])),
        server.port = port,
        "error.type" = field::Empty,
        correlation_id = request.extensions().get::<CorrelationId>().map(CorrelationId::as_str),
    )
}

pin_project! {
    /// The future of [`AttemptSpan`].
    #[derive(Debug)]
    pub struct AttemptSpanFuture<F> {
        #[pin]
        inner: F,
        span: Span,
    }
}

impl<F, B, E> Future for AttemptSpanFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<Error>,
{
    type Output = Result<Response<B>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let entered = this.span.enter();
        let result = ready!(this.inner.poll(cx)).map_err(Into::into);
        drop(entered);
        match &result {
            Ok(response) => {
                let status = response.status();
                this.span
                    .record("http.response.status_code", status.as_u16());
                if status.is_client_error() || status.is_server_error() {
                    this.span.record("error.type", status.as_str());
                    this.span.record("otel.status_code", "ERROR");
                }
            }
            Err(error) => {
                this.span.record("error.type", error.kind().as_str());
                this.span.record("otel.status_code", "ERROR");
            }
        }
        Poll::Ready(result)
    }
}
