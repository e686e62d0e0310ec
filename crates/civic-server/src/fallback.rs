//! Answers to requests that reach no handler, or whose handler panicked.

use std::any::Any;

use axum::response::{IntoResponse, Response};
use civic_envelope::Failure;
use http::{Method, StatusCode, Uri};

/// Answers a path that no route has, in Nest's words.
pub(crate) async fn not_found(method: Method, uri: Uri) -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        format!("Cannot {method} {}", uri.path()),
    )
}

/// Answers a path that exists with a method that it does not have; axum adds `Allow`.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("Cannot {method} {}", uri.path()),
    )
}

/// Answers a request whose handler panicked. The payload of the panic stays in the log.
///
/// By value, because that is the signature that `CatchPanicLayer::custom` asks for.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without text");
    tracing::error!(panic = text, "a handler panicked");
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    IntoResponse::into_response(Failure::new(status, "Internal server error"))
}
