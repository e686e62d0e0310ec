//! What every answer of this platform has in common, success and failure alike.
//!
//! Handlers return plain values; the envelope is a layer's business. What is here keeps axum's own
//! answers (unknown routes, wrong methods, bodies that do not parse, panics) in the platform's error
//! shape, `{"statusCode","message","correlationId","timestamp"}`, so that a caller has one format to read.

use std::any::Any;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::{IntoResponse, Response};
use civic_auth::RequestContext;
use civic_envelope::ErrorBody;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

/// What Node peers send, the charset included.
const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// An error answer: a status and a message for the caller.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    message: String,
}

/// A JSON answer with the content type that Node peers send.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// JSON text that is sent as it is: number forms and member order survive.
#[derive(Debug)]
pub(crate) struct JsonText(pub(crate) Bytes);

/// A JSON request body. What is not JSON is answered with the platform's 400.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

/// The one parameter of a route's path, decoded.
#[derive(Debug)]
pub(crate) struct Id(pub(crate) String);

/// Writes a number as Node does: a whole one without a fraction.
pub(crate) fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    // 2^53: from here on not every whole number is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}

// ===== impl Failure =====

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = ErrorBody::new(self.status, self.message);
        // The id was put into the task's context by `CorrelationIdLayer`; nobody hands it over.
        body.with_correlation_id(RequestContext::current().correlation_id().cloned())
            .into_response::<Body>()
    }
}

// ===== impl Json, JsonText =====

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(json) => JsonText(json.into()).into_response(),
            Err(error) => {
                tracing::error!(%error, "an answer could not be serialized");
                Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
                    .into_response()
            }
        }
    }
}

impl IntoResponse for JsonText {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, APPLICATION_JSON)], self.0).into_response()
    }
}

// ===== impl JsonBody =====

impl<T, S> FromRequest<S> for JsonBody<T>
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
            // `null` for whoever can take it; "a body is required" for the rest.
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

// ===== impl Id =====

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(id)| Self(id))
            .map_err(|rejection| Failure::new(rejection.status(), rejection.body_text()))
    }
}

// ===== fallbacks =====

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
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error").into_response()
}
