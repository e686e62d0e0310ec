//! The answer of a Fastify that is closing.

use http::header::{CONNECTION, VIA};
use http::response::Parts;
use http::{StatusCode, Version};

/// What Fastify answers on an open connection while it closes, before any code of the service runs.
const CLOSING_BODY: &[u8] =
    br#"{"error":"Service Unavailable","message":"Service Unavailable","statusCode":503}"#;

/// Marks a response as the answer of a Fastify that is closing: the request was not executed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClosingAnswer;

/// Whether no one but a Fastify that is closing can have made this answer: a proxy adds `Via` or
/// words of its own, and closes other connections than its own peer's.
pub(super) fn is_closing_answer(head: &Parts, body: &[u8]) -> bool {
    let closes = head
        .headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"));
    head.status == StatusCode::SERVICE_UNAVAILABLE
        && head.version == Version::HTTP_11
        && closes
        && !head.headers.contains_key(VIA)
        && body == CLOSING_BODY
}
