//! What becomes of an answer. Its head decides, and how long its body is.

use civic_envelope::{ErrorBody, SkipEnvelope};
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, StatusCode, response};
use http_body::SizeHint;

use crate::content_type::{essence, is_json};

/// The longest text that becomes a message.
pub(super) const MAX_TEXT_BYTES: usize = 2048;

/// What describes a body that is replaced.
const OF_THE_BODY: [HeaderName; 9] = [
    ACCEPT_RANGES,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    ETAG,
    LAST_MODIFIED,
    TRANSFER_ENCODING,
];

/// What becomes of an answer.
#[derive(Debug)]
pub(super) enum Shape {
    /// It stays as it is.
    Kept,
    /// This error body is rendered in its place.
    Body(ErrorBody),
    /// Its text is read, and becomes the message of an error body.
    Text,
    /// Its text would be the message, but the request was HEAD and there is none to read.
    UnknownText,
}

impl Shape {
    pub(super) fn of(parts: &response::Parts, body: &SizeHint) -> Self {
        let status = parts.status;
        if !status.is_client_error() && !status.is_server_error() {
            return Self::Kept;
        }
        if let Some(body) = parts.extensions.get::<ErrorBody>() {
            return match body.correlation_id() {
                Some(_) => Self::Kept,
                None => Self::Body(body.clone()),
            };
        }
        let content_type = parts.headers.get(CONTENT_TYPE);
        if parts.extensions.get::<SkipEnvelope>().is_some() || content_type.is_some_and(is_json) {
            return Self::Kept;
        }
        let is_text = content_type.and_then(essence).is_some_and(|essence| {
            essence.eq_ignore_ascii_case("text/plain") && status.is_client_error()
        }) && !parts.headers.contains_key(CONTENT_ENCODING);
        match body.exact() {
            Some(length) if is_text && (1..=MAX_TEXT_BYTES as u64).contains(&length) => Self::Text,
            Some(0) if is_text && announces_a_body(&parts.headers) => Self::UnknownText,
            _ => Self::Body(words_of(status)),
        }
    }
}

/// Whether an answer to HEAD says that GET would have a body.
fn announces_a_body(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_LENGTH)
        .is_some_and(|length| length != "0")
}

/// The error body of a status without further words.
pub(super) fn words_of(status: StatusCode) -> ErrorBody {
    let words = match status {
        // As Nest writes it.
        StatusCode::INTERNAL_SERVER_ERROR => "Internal server error",
        status => status.canonical_reason().unwrap_or("Unknown error"),
    };
    ErrorBody::new(status, words)
}

/// The error body that has this text as its message, if it is one line or more of readable text.
pub(super) fn with_text(status: StatusCode, text: &[u8]) -> ErrorBody {
    match std::str::from_utf8(text).map(str::trim) {
        Ok(text) if !text.is_empty() => ErrorBody::new(status, text),
        _ => words_of(status),
    }
}

/// Removes the headers that describe the body that was replaced.
pub(super) fn forget_body(headers: &mut HeaderMap) {
    for name in OF_THE_BODY {
        headers.remove(name);
    }
}
