//! One span per request.

use axum::extract::{MatchedPath, Request};
use civic_envelope::CorrelationId;
use tower_http::classify::{ServerErrorsAsFailures, SharedClassifier};
use tower_http::trace::{DefaultOnRequest, DefaultOnResponse, TraceLayer};
use tracing::{Level, Span};

use crate::layer::edge::OriginalCorrelationId;

/// Opens a span per request, with method, route and correlation id, and logs the answer's status
/// and time.
pub(super) fn trace_layer() -> TraceLayer<
    SharedClassifier<ServerErrorsAsFailures>,
    fn(&Request) -> Span,
    DefaultOnRequest,
    DefaultOnResponse,
> {
    TraceLayer::new_for_http()
        .make_span_with(request_span as fn(&Request) -> Span)
        .on_response(DefaultOnResponse::new().level(Level::INFO))
}

/// The route, not the path: a path may hold what should not be in a log, and has no bound.
fn request_span(request: &Request) -> Span {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str);
    let correlation_id = request
        .extensions()
        .get::<CorrelationId>()
        .map_or("", CorrelationId::as_str);
    tracing::info_span!(
        "request",
        http.request.method = %request.method(),
        http.route = route,
        correlation_id,
        correlation_id.original = request
            .extensions()
            .get::<OriginalCorrelationId>()
            .map(OriginalCorrelationId::as_str),
    )
}
