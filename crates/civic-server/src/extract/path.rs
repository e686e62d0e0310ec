//! The parameters of a route's path.

use axum::extract::FromRequestParts;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use civic_envelope::{ErrorDetail, Failure};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::refusal::invalid;

/// The parameters of a route's path, decoded.
///
/// As axum's `Path`, but rejects a request in the platform's error shape: 422 for a value that is
/// not of the type, 400 for one that is not UTF-8.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        axum::extract::Path::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(value)| Self(value))
            .map_err(refuse)
    }
}

fn refuse(rejection: PathRejection) -> Failure {
    let PathRejection::FailedToDeserializePathParams(rejection) = rejection else {
        // The route has no parameters: a mistake of the service.
        return Failure::internal(rejection);
    };
    let expected = |field: String, expected_type: &str| {
        invalid([ErrorDetail::new(
            field,
            format!("Invalid input: expected {expected_type}"),
        )])
    };
    match rejection.kind() {
        ErrorKind::InvalidUtf8InPathParam { key } => Failure::new(
            StatusCode::BAD_REQUEST,
            format!("The path is not UTF-8, in {key}"),
        ),
        ErrorKind::ParseErrorAtKey {
            key, expected_type, ..
        } => expected(key.clone(), expected_type),
        ErrorKind::ParseErrorAtIndex {
            index,
            expected_type,
            ..
        } => expected(index.to_string(), expected_type),
        ErrorKind::ParseError { expected_type, .. } => expected(String::new(), expected_type),
        ErrorKind::DeserializeError { key, message, .. } => {
            invalid([ErrorDetail::new(key.clone(), message.clone())])
        }
        ErrorKind::Message(message) => invalid([ErrorDetail::new("", message.clone())]),
        // A type that no path can be: a mistake of the service.
        _ => Failure::internal(rejection),
    }
}
