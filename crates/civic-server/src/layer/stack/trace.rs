//! One span per request.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use civic_envelope::CorrelationId;
use http::Response;
use tower_http::classify::{ServerErrorsAsFailures, SharedClassifier};
use tower_http::trace::{DefaultOnRequest, DefaultOnResponse, OnResponse, TraceLayer};
use tracing::{Level, Span, field};

use crate::layer::edge::OriginalCorrelationId;
use crate::layer::observe::label;

/// Writes the status of an answer into the span, and logs it with the time that it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordAnswer;

/// Opens a span per request, with method, route and correlation id, and logs the answer's status
/// and time.
pub(super) fn trace_layer() -> TraceLayer<
    SharedClassifier<ServerErrorsAsFailures>,
    fn(&Request) -> Span,
    DefaultOnRequest,
    RecordAnswer,
> {
    TraceLayer::new_for_http()
        .make_span_with(request_span as fn(&Request) -> Span)
        .on_response(RecordAnswer)
}

/// The route, not the path: a path may hold what should not be in a log, and has no bound. The
/// names are those of OpenTelemetry's conventions for HTTP servers.
fn request_span(request: &Request) -> Span {
    let extensions = request.extensions();
    let route = extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    tracing::info_span!(
        "request",
        otel.name = route
            .map(|route| format!("{} {route}", label(request.method())))
            .as_deref()
            .unwrap_or_else(|| label(request.method())),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = %request.method(),
        http.route = route,
        http.response.status_code = field::Empty,
        correlation_id = extensions.get::<CorrelationId>().map(CorrelationId::as_str),
        correlation_id.original = extensions
            .get::<OriginalCorrelationId>()
            .map(OriginalCorrelationId::as_str),
    )
}

impl<B> OnResponse<B> for RecordAnswer {
    fn on_response(self, response: &Response<B>, latency: Duration, span: &Span) {
        let status = response.status();
        span.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        let log = DefaultOnResponse::new().level(Level::INFO);
        log.on_response(response, latency, span);
    }
}
