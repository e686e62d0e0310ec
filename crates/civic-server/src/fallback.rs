//! Answers to requests that reach no handler.
//!
//! Their words are Nest's, `Cannot GET /nowhere`, and only a router says them: a client tells by
//! them that the route does not exist, where a handler's 404 says that the thing does not.
//! [`Service`](crate::Service) uses them by itself.

use civic_envelope::Failure;
use http::{Method, StatusCode, Uri};

/// Answers a path that no route has: for [`Router::fallback`](axum::Router::fallback).
pub async fn not_found(method: Method, uri: Uri) -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        format!("Cannot {method} {}", uri.path()),
    )
}

/// Answers a path that exists with a method that it does not have: for
/// [`Router::method_not_allowed_fallback`](axum::Router::method_not_allowed_fallback), which adds
/// `Allow`.
pub async fn method_not_allowed(method: Method, uri: Uri) -> Failure {
    Failure::new(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("Cannot {method} {}", uri.path()),
    )
}
