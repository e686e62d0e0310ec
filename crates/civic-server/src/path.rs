//! The parameters of a route's path.

use axum::extract::FromRequestParts;
use civic_envelope::Failure;
use http::request::Parts;
use serde::de::DeserializeOwned;

/// The parameters of a route's path, decoded.
///
/// As axum's `Path`, but rejects a request in the platform's error shape.
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
            .map_err(|rejection| Failure::new(rejection.status(), rejection.body_text()))
    }
}
