//! What is written, and what is read of the errors of others.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::StatusCode;
use proptest::prelude::*;

use super::ErrorBody;
use crate::correlation_id::CorrelationId;
use crate::wire::MAX_ERROR_BYTES;

/// Reads the body of a 500 that names no status of its own.
fn read(body: &[u8]) -> Option<ErrorBody> {
    ErrorBody::from_json(StatusCode::INTERNAL_SERVER_ERROR, body)
}

#[test]
fn an_absent_correlation_id_is_printed_as_unknown() {
    let body = ErrorBody::new(StatusCode::UNAUTHORIZED, "Missing authentication token")
        .with_timestamp(UNIX_EPOCH);
    assert_eq!(
        body.to_json(),
        r#"{"statusCode":401,"message":"Missing authentication token","correlationId":"unknown","timestamp":"1970-01-01T00:00:00.000Z"}"#
    );
    assert_eq!(read(&body.to_json()), Some(body));
}

#[test]
fn an_error_response_names_its_status_and_is_json() {
    let response = ErrorBody::new(StatusCode::FORBIDDEN, "no").into_response::<Bytes>();
    assert_eq!(response.status(), 403);
    assert_eq!(
        response.headers()["content-type"],
        "application/json; charset=utf-8"
    );
    assert_eq!(response.headers().len(), 1);
}

#[test]
fn errors_of_every_dialect_are_read() {
    for (name, json, expected) in [
        (
            "the platform's",
            r#"{"statusCode":404,"message":"gone","correlationId":"c-1","timestamp":"2026-11-22T10:12:26.563Z"}"#,
            Some((404, "gone", Some("c-1"))),
        ),
        (
            "Nest's list",
            r#"{"statusCode":400,"message":["a is odd","b is even"],"error":"Bad Request"}"#,
            Some((400, "a is odd; b is even", None)),
        ),
        (
            "problem details",
            r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"no such page"}"#,
            Some((404, "Not Found: no such page", None)),
        ),
        (
            "a title alone",
            r#"{"title":"Teapot","status":418}"#,
            Some((418, "Teapot", None)),
        ),
        (
            "error alone",
            r#"{"error":"overloaded"}"#,
            Some((500, "overloaded", None)),
        ),
        (
            "an error object",
            r#"{"error":{"code":404,"message":"Not found"}}"#,
            Some((500, "Not found", None)),
        ),
        (
            "unknown id",
            r#"{"message":"x","correlationId":"unknown"}"#,
            Some((500, "x", None)),
        ),
        (
            "an invalid id",
            r#"{"message":"x","correlationId":"two words"}"#,
            Some((500, "x", None)),
        ),
        (
            "odd members",
            r#"{"message":"x","statusCode":"404","correlationId":7,"timestamp":{}}"#,
            Some((500, "x", None)),
        ),
        (
            "impossible status",
            r#"{"message":"x","statusCode":70000}"#,
            Some((500, "x", None)),
        ),
        ("BOM", "\u{feff}{\"message\":\"x\"}", Some((500, "x", None))),
        (
            "an empty list",
            r#"{"message":[]}"#,
            Some((500, "Internal Server Error", None)),
        ),
        (
            "no words",
            r#"{"statusCode":404}"#,
            Some((404, "Not Found", None)),
        ),
        ("not an object", r#"["message"]"#, None),
        ("a list in the order of the members", r#"[500,"x"]"#, None),
        ("HTML", "<html>502</html>", None),
        ("nothing", "", None),
    ] {
        let body = read(json.as_bytes());
        let read = body.as_ref().map(|body| {
            (
                body.status().as_u16(),
                body.message(),
                body.correlation_id().map(CorrelationId::as_str),
            )
        });
        assert_eq!(read, expected, "{name}");
    }
}

#[test]
fn an_error_body_that_is_not_utf_8_is_not_read_wherever_the_byte_stands() {
    // The parser does not look at the encoding of what it skips.
    for body in [
        &b"{\"message\":\"\xff\"}"[..],
        b"{\"message\":\"x\",\"path\":\"\xff\"}",
    ] {
        assert_eq!(read(body), None);
    }
}

#[test]
fn an_error_body_over_64_kib_is_not_read() {
    let fitting = |length: usize| {
        let frame = r#"{"message":""}"#.len();
        format!(r#"{{"message":"{}"}}"#, "x".repeat(length - frame))
    };
    assert!(read(fitting(MAX_ERROR_BYTES).as_bytes()).is_some());
    assert!(read(fitting(MAX_ERROR_BYTES + 1).as_bytes()).is_none());
}

proptest! {
    #[test]
    fn an_error_body_survives_the_wire(code in 100u16..1000, message in ".*[a-z].*", id in "[A-Za-z0-9._:#/=+@~-]{1,128}", seconds in 0u64..200_000_000_000) {
        let body = ErrorBody::new(StatusCode::from_u16(code).unwrap(), message)
            .with_correlation_id(CorrelationId::parse(&id).unwrap())
            .with_timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
        prop_assert_eq!(read(&body.to_json()), Some(body));
    }

    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        let _ = read(&body);
    }
}
