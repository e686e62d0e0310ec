//! JSON in and out, as the platform's Node services read and write it.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use civic_envelope::Failure;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What Node peers send, the charset included.
const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// A JSON body: of a request as an extractor, of an answer as a return value.
///
/// As an extractor it rejects a request in the platform's error shape:
///
/// | body | status |
/// |---|---|
/// | empty, and `T` does not accept `null` | 400 |
/// | not JSON | 400 |
/// | another content type than `application/json` | 415 |
/// | too large for the limit of the router | 413 |
/// | JSON, but not a `T` | 422 |
///
/// As an answer it has the content type that Node peers send, `application/json; charset=utf-8`. A
/// value that cannot be serialized is logged and answered with 500.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

/// JSON text as an answer, sent as it is: number forms and member order survive.
///
/// The text is not checked.
#[derive(Clone, Debug)]
pub struct JsonText(pub Bytes);

// ===== impl Json =====

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(json) => JsonText(json.into()).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer could not be serialized");
                IntoResponse::into_response(Failure::internal(error))
            }
        }
    }
}

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let is_json = has_json_content_type(request.headers());
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| Failure::new(rejection.status(), rejection.body_text()))?;
        if body.is_empty() {
            // A type that accepts `null` needs no body.
            return serde_json::from_str("null")
                .map(Self)
                .map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "A JSON body is required"));
        }
        if !is_json {
            return Err(Failure::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported Media Type",
            ));
        }
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            if error.is_data() {
                Failure::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    format!("Validation failed: {error}"),
                )
            } else {
                Failure::new(
                    StatusCode::BAD_REQUEST,
                    format!("The body is not JSON: {error}"),
                )
            }
        })
    }
}

fn has_json_content_type(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

// ===== impl JsonText =====

impl IntoResponse for JsonText {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, APPLICATION_JSON)], self.0).into_response()
    }
}
