//! The parameters of a request's query.

use axum::extract::FromRequestParts;
use civic_envelope::Failure;
use http::request::Parts;
use serde::de::DeserializeOwned;

/// The parameters of a request's query, decoded.
///
/// As axum's `Query`, but rejects a request in the platform's error shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|rejection| Failure::new(rejection.status(), rejection.body_text()))
    }
}
