//! What is stored of an answer, and how.
//!
//! A record is one line of JSON, which says what the answer was, and then the bytes of its body. A
//! record of another version is one whose answer is not known.

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::layer::idempotency::collect::{Collected, End};

/// The longest body that is stored.
pub(super) const MAX_BODY: usize = 64 * 1024;

const VERSION: u32 = 1;

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Says that repeating changes nothing.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The first line of a record.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    version: u32,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    body: BodyKind,
}

/// What follows the first line.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum BodyKind {
    /// The bytes of the body.
    Kept,
    /// An error body of the platform, without its correlation id.
    Error,
    /// Nothing: the body was too long, or encoded.
    NotKept,
}

/// Writes the record of an answer.
pub(super) fn record<B>(answer: &Response<Collected<B>>, data: &Bytes) -> Vec<u8> {
    let (headers, status) = (answer.headers(), answer.status());
    let whole = matches!(answer.body().end, End::Ended) && !headers.contains_key(CONTENT_ENCODING);
    let (kind, body) = match error_body(status, data) {
        _ if !whole => (BodyKind::NotKept, Bytes::new()),
        Some(error) => (BodyKind::Error, error.with_correlation_id(None).to_json()),
        None => (BodyKind::Kept, data.clone()),
    };
    let head = Head {
        version: VERSION,
        status: status.as_u16(),
        content_type: text(headers, &CONTENT_TYPE),
        location: text(headers, &LOCATION),
        etag: text(headers, &ETAG),
        body: kind,
    };
    let mut record = serde_json::to_vec(&head).expect("texts and numbers are always JSON");
    record.push(b'\n');
    record.extend_from_slice(&body);
    record
}

/// Returns the answer of a record, for the request with this id. `None` if its body was not kept.
pub(super) fn replay(record: &[u8], id: Option<CorrelationId>) -> Option<Response<Bytes>> {
    let end = record.iter().position(|byte| *byte == b'\n')?;
    let (head, body) = (&record[..end], &record[end + 1..]);
    let head: Head = serde_json::from_slice(head).ok()?;
    if head.version != VERSION {
        return None;
    }
    let status = StatusCode::from_u16(head.status).ok()?;
    let mut answer = match head.body {
        BodyKind::NotKept => return None,
        BodyKind::Kept => Response::new(Bytes::copy_from_slice(body)),
        BodyKind::Error => {
            let error = ErrorBody::from_json(status, body)?.with_correlation_id(id);
            let mut answer = Response::new(error.to_json());
            // A layer that knows another id than this one writes the body once more.
            answer.extensions_mut().insert(error);
            answer
        }
    };
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, text) in [
        (CONTENT_TYPE, head.content_type),
        (LOCATION, head.location),
        (ETAG, head.etag),
    ] {
        if let Some(value) = text.and_then(|text| value(&text)) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    if !status.is_success() {
        // It will be the same once more.
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    Some(answer)
}

/// Reads an error body that the platform has written, byte for byte, so that nothing is lost when
/// it is written again.
fn error_body(status: StatusCode, data: &Bytes) -> Option<ErrorBody> {
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    ErrorBody::from_json(status, data).filter(|error| error.to_json() == data)
}

/// Each byte of a header's value as one character: a value need not be UTF-8.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(value.as_bytes().iter().copied().map(char::from).collect())
}

fn value(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::{Duration, SystemTime};

    use http::header::SET_COOKIE;
    use http_body_util::Full;
    use proptest::prelude::*;

    use super::*;

    fn answer(status: StatusCode) -> Response<Collected<Full<Bytes>>> {
        let mut answer = Response::new(Collected {
            frames: VecDeque::new(),
            end: End::Ended,
        });
        *answer.status_mut() = status;
        answer
    }

    #[test]
    fn status_body_and_three_headers_are_stored_and_nothing_else() {
        let mut first = answer(StatusCode::CREATED);
        for (name, value) in [
            (CONTENT_TYPE, &b"text/plain; charset=utf-8"[..]),
            (LOCATION, b"/bills/7"),
            (ETAG, b"\"v\xe41\""),
            (SET_COOKIE, b"session=secret"),
            (HeaderName::from_static("x-correlation-id"), b"first-1"),
        ] {
            let value = HeaderValue::from_bytes(value).expect("a value");
            first.headers_mut().insert(name, value);
        }
        let stored = record(&first, &Bytes::from_static(b"\n\0\xff body"));
        let text = String::from_utf8_lossy(&stored);
        assert!(
            !text.contains("secret") && !text.contains("first-1"),
            "{text}"
        );

        let replayed = replay(&stored, None).expect("it was kept");
        assert_eq!(replayed.status(), StatusCode::CREATED);
        assert_eq!(replayed.body(), &b"\n\0\xff body"[..]);
        let mut names: Vec<&str> = replayed.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["content-type", "etag", "idempotency-replayed", "location"]
        );
        for name in [CONTENT_TYPE, LOCATION, ETAG] {
            assert_eq!(replayed.headers()[&name], first.headers()[&name]);
        }
    }

    #[test]
    fn an_error_body_has_the_correlation_id_of_the_request_that_it_answers() {
        let id = |text| CorrelationId::parse(text).expect("an id");
        for first in [Some(id("first-1")), None] {
            let error = ErrorBody::new(StatusCode::NOT_FOUND, "no such property")
                .with_error("Not Found")
                // To the millisecond, as it is printed.
                .with_timestamp(SystemTime::UNIX_EPOCH + Duration::from_millis(1_772_089_205_123))
                .with_correlation_id(first);
            let stored = record(&answer(StatusCode::NOT_FOUND), &error.to_json());
            assert!(!String::from_utf8_lossy(&stored).contains("first-1"));
            let replayed = replay(&stored, Some(id("second-2"))).expect("it was kept");
            let expected = error.clone().with_correlation_id(id("second-2"));
            assert_eq!(replayed.body(), &expected.to_json());
            assert_eq!(replayed.extensions().get(), Some(&expected));
            assert_eq!(replayed.headers()[SHOULD_RETRY], "false");
            let unknown = replay(&stored, None).expect("it was kept");
            assert_eq!(unknown.body(), &error.with_correlation_id(None).to_json());
        }
    }

    #[test]
    fn a_body_that_cannot_be_replayed_is_not_kept() {
        let mut encoded = answer(StatusCode::OK);
        encoded
            .headers_mut()
            .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let mut long = answer(StatusCode::OK);
        long.body_mut().end = End::TooLong(Box::pin(Full::default()));
        for answer in [encoded, long] {
            let stored = record(&answer, &Bytes::from_static(b"part of it"));
            assert!(!String::from_utf8_lossy(&stored).contains("part of it"));
            assert!(replay(&stored, None).is_none());
        }
    }

    #[test]
    fn a_record_that_cannot_be_read_is_no_answer() {
        for record in [
            &b""[..],
            b"\n",
            b"{}",
            b"{}\nbody",
            b"{\"version\":2,\"status\":200,\"body\":\"kept\"}\nbody",
            b"{\"version\":1,\"status\":7,\"body\":\"kept\"}\nbody",
            b"{\"version\":1,\"status\":404,\"body\":\"error\"}\nnot JSON",
        ] {
            assert!(replay(record, None).is_none(), "{record:?}");
        }
    }

    proptest! {
        #[test]
        fn every_answer_is_replayed_as_it_was(
            status in 200u16..600,
            body in proptest::collection::vec(any::<u8>(), 0..300),
            etag in proptest::option::of("[!-~\u{80}-\u{ff}]{1,20}"),
        ) {
            let mut first = answer(StatusCode::from_u16(status).expect("a status"));
            if let Some(value) = etag.and_then(|etag| value(&etag)) {
                first.headers_mut().insert(ETAG, value);
            }
            let stored = record(&first, &Bytes::from(body.clone()));
            let replayed = replay(&stored, None).expect("it was kept");
            prop_assert_eq!(replayed.status(), first.status());
            prop_assert_eq!(replayed.body(), &body);
            prop_assert_eq!(replayed.headers().get(ETAG), first.headers().get(ETAG));
        }
    }
}
