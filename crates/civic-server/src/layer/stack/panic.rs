//! The answer to a request whose handler panicked.

use std::any::Any;

use axum::response::{IntoResponse, Response};
use civic_envelope::Failure;
use http::StatusCode;

/// Answers 500. The payload of the panic stays in the log.
#[allow(
    clippy::needless_pass_by_value,
    reason = "`CatchPanicLayer::custom` asks for this signature"
)]
pub(super) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without text");
    tracing::error!(panic = text, "a handler panicked");
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    IntoResponse::into_response(Failure::new(status, "Internal server error"))
}
