//! JSON in and out, as the platform's Node services read and write it.

use std::error::Error as StdError;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use civic_envelope::{Error, Failure, UnwrapMode};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body::Body as _;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::{node_json, refusal};
use crate::content_type::{APPLICATION_JSON, is_json};
use crate::serve::timed_body::BodyTimeout;

/// A JSON body: of a request as an extractor, of an answer as a return value.
///
/// As an extractor it takes `application/json` and `application/*+json` and rejects a request in
/// the platform's error shape, as the [module docs](super) say. A type that accepts `null` needs no
/// body, and no content type then. The words of a 422 name the field and never repeat the value.
///
/// As an answer it is what a Node service would send: `application/json; charset=utf-8`, and each
/// number as JavaScript writes it (`500000` and not `500000.0`, `1e+21` and not `1e21`). A value
/// that cannot be serialized is answered with 500, and its reason is logged.
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
        match node_json::to_vec(&self.0) {
            Ok(json) => JsonText(json.into()).into_response(),
            Err(error) => IntoResponse::into_response(Failure::internal(error)),
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
        let is_json = request.headers().get(CONTENT_TYPE).is_some_and(is_json);
        if !is_json && request.body().size_hint().lower() > 0 {
            return Err(unsupported());
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| unread(&rejection))?;
        if body.is_empty() {
            // A type that accepts `null` needs no body.
            return serde_json::from_str("null")
                .map(Self)
                .map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "A JSON body is required"));
        }
        if !is_json {
            return Err(unsupported());
        }
        // The limit of the router has bounded the body already.
        UnwrapMode::Raw
            .bytes_within(&body, usize::MAX)
            .map(Self)
            .map_err(|error| refuse(&error, &body))
    }
}

/// Refuses a body of another content type.
fn unsupported() -> Failure {
    Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type")
}

/// Refuses a body that did not arrive.
fn unread(rejection: &BytesRejection) -> Failure {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(rejection);
    while let Some(error) = cause {
        if error.is::<BodyTimeout>() {
            let message = "The body of the request did not arrive in time";
            return Failure::new(StatusCode::REQUEST_TIMEOUT, message);
        }
        cause = error.source();
    }
    let message = match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => "The body is larger than this service accepts",
        _ => "The body of the request could not be read",
    };
    Failure::new(rejection.status(), message)
}

/// Refuses a body that is not JSON, or not of the type.
fn refuse(error: &Error, body: &[u8]) -> Failure {
    let words = error.source().map_or_else(
        || "it is not UTF-8".to_owned(),
        |source| without_position(&source.to_string(), error).to_owned(),
    );
    let Some(path) = error.path() else {
        let message = format!("The body is not JSON: {words}");
        return Failure::new(StatusCode::BAD_REQUEST, message);
    };
    // The whole body again, for a type may reject a value before the parser has seen the rest.
    if UnwrapMode::Raw
        .bytes_within::<IgnoredAny>(body, usize::MAX)
        .is_err()
    {
        let (line, column) = (error.line().unwrap_or(1), error.column().unwrap_or(1));
        let message = format!("The body is not JSON: {words} (line {line}, column {column})");
        return Failure::new(StatusCode::BAD_REQUEST, message);
    }
    refusal::invalid([refusal::mistake(refusal::field(path), &words)])
}

/// Returns the parser's words without the path, the line and the column that follow them.
fn without_position<'a>(words: &'a str, error: &Error) -> &'a str {
    error
        .path()
        .and_then(|path| Some(&words[..words.rfind(&format!(" at {path} (line "))?]))
        .unwrap_or(words)
}

// ===== impl JsonText =====

impl IntoResponse for JsonText {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, APPLICATION_JSON)], self.0).into_response()
    }
}
