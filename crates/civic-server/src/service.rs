//! The standard stack of a service, in one place, outermost first:
//!
//! | layer | from | why it is where it is |
//! |---|---|---|
//! | catch panic | tower-http | outside of everything: a bug in a layer still gets an answer |
//! | sensitive headers | tower-http | before anything that could log a header |
//! | correlation id | civic-auth | before the trace, so that each log line has it; on every answer, 401 and 404 too |
//! | trace | tower-http | one span per request |
//! | compression | tower-http | outside of the envelope: what is compressed cannot be wrapped |
//! | error shape | this crate | inside of compression, because it renders error bodies again, with the correlation id |
//! | catch panic | tower-http | again, inside: so that a handler's panic is logged in its span and answered with its correlation id |
//! | envelope | civic-envelope | sees only what handlers answered |
//! | auth | civic-auth | only around the guarded routes: a path that does not exist is 404 for every caller, as with Nest |
//! | role | civic-auth | per route, where a route asks for one |

use std::error::Error;
use std::fmt;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::routing::get;
use civic_auth::{AuthLayer, CorrelationIdLayer};
use civic_envelope::{CorrelationId, EnvelopeLayer};
use http::HeaderName;
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

use crate::fallback;
use crate::json::Json;
use crate::layer::ErrorShapeLayer;

/// Shorter answers travel in one packet either way, and keep their `content-length`.
const MIN_COMPRESSED_BYTES: u64 = 1024;

/// A service: its routes, in the standard stack.
///
/// What a service of the platform needs around its handlers, in the order that makes it work: a
/// correlation id on every request and answer, a span per request, the guard, the response
/// envelope, compression, and errors in one shape, whether a handler, an extractor, an unknown
/// path, a wrong method or a panic caused them. The crate documentation lists the layers.
///
/// `GET /health` and `GET /health/ready` are public and have no envelope, since probes read them:
/// at the root, where orchestrators look, and under the prefix, which is all that a gateway passes
/// on.
#[derive(Debug)]
pub struct Service {
    prefix: String,
    guarded: Router,
    guard: AuthLayer,
}

/// A prefix that no route can have.
///
/// A prefix begins with `/`, ends with another character, and has no parameters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InvalidPrefix(String);

// ===== impl Service =====

impl Service {
    /// Creates a service whose routes are under `prefix`, such as `/api/billing`, behind `guard`.
    ///
    /// The guard is an [`AuthLayer`], or a `TokenVerifier` for one with its defaults.
    ///
    /// # Errors
    ///
    /// Fails if the prefix does not begin with `/`, ends with `/`, or has parameters.
    pub fn new(
        prefix: impl Into<String>,
        guard: impl Into<AuthLayer>,
    ) -> Result<Self, InvalidPrefix> {
        let prefix = prefix.into();
        let is_valid =
            prefix.starts_with('/') && !prefix.ends_with('/') && !prefix.contains(['{', '}', '*']);
        if !is_valid {
            return Err(InvalidPrefix(prefix));
        }
        Ok(Self {
            prefix,
            guarded: Router::new(),
            guard: guard.into(),
        })
    }

    /// Adds routes that only callers with a valid token reach.
    ///
    /// # Panics
    ///
    /// Panics if a route with the same path and method was added before, as [`Router::merge`] does.
    #[must_use]
    pub fn guarded(mut self, routes: Router) -> Self {
        self.guarded = self.guarded.merge(routes);
        self
    }

    /// Returns the routes in the standard stack, ready to be [served](crate::Server::serve).
    pub fn into_router(self) -> Router {
        let public = Router::new()
            .route("/health", get(healthy))
            .route("/health/ready", get(healthy));
        let bare = ["/health", "/health/ready"].map(|path| format!("{}{path}", self.prefix));
        let worth_it = DefaultPredicate::new().and(SizeAbove::new(MIN_COMPRESSED_BYTES));

        Router::new()
            .nest(
                &self.prefix,
                self.guarded.route_layer(self.guard).merge(public.clone()),
            )
            .merge(public)
            .fallback(fallback::not_found)
            .method_not_allowed_fallback(fallback::method_not_allowed)
            .layer(
                ServiceBuilder::new()
                    .layer(CatchPanicLayer::custom(fallback::panicked))
                    .layer(SetSensitiveRequestHeadersLayer::new([
                        AUTHORIZATION,
                        COOKIE,
                        HeaderName::from_static("txn-token"),
                    ]))
                    .layer(SetSensitiveResponseHeadersLayer::new([SET_COOKIE]))
                    .layer(CorrelationIdLayer::new())
                    .layer(
                        TraceLayer::new_for_http()
                            .make_span_with(request_span as fn(&Request) -> Span)
                            .on_response(DefaultOnResponse::new().level(Level::INFO)),
                    )
                    .layer(CompressionLayer::new().compress_when(worth_it))
                    .layer(ErrorShapeLayer::new())
                    .layer(CatchPanicLayer::custom(fallback::panicked))
                    .layer(EnvelopeLayer::new().with_excluded_paths(bare)),
            )
    }
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

async fn healthy() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok" }))
}

// ===== impl InvalidPrefix =====

impl fmt::Display for InvalidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} cannot be the prefix of a service's routes: it has to begin with `/`, must not end with `/`, and must not have parameters. An example is /api/billing",
            self.0
        )
    }
}

impl Error for InvalidPrefix {}
