//! The middleware of every service of the fleet, in one place, outermost first:
//!
//! | layer | from | why it is where it is |
//! |---|---|---|
//! | catch panic | tower-http | outside everything: a bug in a layer still gets an answer |
//! | sensitive headers | tower-http | before anything that could log a header |
//! | correlation id | civic-auth | before the trace, so that each log line has it; on every answer, 401 and 404 too |
//! | trace | tower-http | one span a request |
//! | catch panic | tower-http | again, inside: so that a handler's panic is logged in its span and answered with its correlation id |
//! | compression | tower-http | outside the envelope: what is compressed cannot be wrapped |
//! | envelope | civic-envelope | sees only what handlers answered |
//! | auth | civic-auth | only around the guarded routes: a path that does not exist is 404 for everybody, as with Nest |
//! | role | civic-auth | per route, where a route asks for one |

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::routing::get;
use civic_auth::{AuthLayer, CorrelationId, CorrelationIdLayer, TokenVerifier};
use civic_envelope::EnvelopeLayer;
use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};
use tower_http::sensitive_headers::{
    SetSensitiveRequestHeadersLayer, SetSensitiveResponseHeadersLayer,
};
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tracing::{Level, Span};

use crate::platform;

/// Shorter answers travel in one packet either way, and keep their `content-length`.
const WORTH_COMPRESSING: u64 = 1024;

/// A service from its routes, all of them guarded, under `prefix`.
///
/// `/health` and `/health/ready` are public and without envelope, since probes read them: at the root, where
/// orchestrators look, and under the prefix, which is all that a gateway passes on.
pub(crate) fn service(prefix: &str, guarded: Router, verifier: TokenVerifier) -> Router {
    let public = Router::new()
        .route("/health", get(healthy))
        .route("/health/ready", get(healthy));
    let bare = ["/health", "/health/ready"].map(|path| format!("{prefix}{path}"));

    let worth_it = DefaultPredicate::new().and(SizeAbove::new(WORTH_COMPRESSING));

    Router::new()
        .nest(
            prefix,
            guarded
                .route_layer(AuthLayer::new(verifier))
                .merge(public.clone()),
        )
        .merge(public)
        .fallback(platform::not_found)
        .method_not_allowed_fallback(platform::method_not_allowed)
        .layer(
            ServiceBuilder::new()
                .layer(CatchPanicLayer::custom(platform::panicked))
                .layer(SetSensitiveRequestHeadersLayer::new([
                    AUTHORIZATION,
                    COOKIE,
                ]))
                .layer(SetSensitiveResponseHeadersLayer::new([SET_COOKIE]))
                .layer(CorrelationIdLayer::new())
                .layer(
                    TraceLayer::new_for_http()
                        .make_span_with(request_span as fn(&Request) -> Span)
                        .on_response(DefaultOnResponse::new().level(Level::INFO)),
                )
                .layer(CatchPanicLayer::custom(platform::panicked))
                .layer(CompressionLayer::new().compress_when(worth_it))
                .layer(EnvelopeLayer::new().exclude(bare)),
        )
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
    )
}

async fn healthy() -> platform::Json<serde_json::Value> {
    platform::Json(serde_json::json!({ "status": "ok" }))
}
