//! The words of an error reach the caller, whichever filter wrote them.

use bytes::Bytes;
use civic_envelope::{ErrorBody, ErrorDetail, Failure, UnwrapMode, unwrap_envelope};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// An error of a NestJS 11 service, as it was sent.
#[derive(Deserialize)]
struct Recorded {
    name: String,
    status: u16,
    body: String,
}

fn read(status: u16, body: &str) -> ErrorBody {
    ErrorBody::from_json(StatusCode::from_u16(status).unwrap(), body.as_bytes())
        .unwrap_or_else(|| panic!("{body}"))
}

fn details(body: &ErrorBody) -> Vec<(&str, &str)> {
    let details = body.details().iter();
    details
        .map(|detail| (detail.field(), detail.message()))
        .collect()
}

/// What was thrown, by the last part of the recorded name.
fn thrown(case: &str) -> Option<&'static str> {
    Some(match case {
        "nf" => "Not Found",
        "nfm" | "nfo" => "Property 7 not found",
        "desc" => "Bad thing",
        "nomsg" | "vde" => "Bad Request",
        "plain" => "Internal server error",
        "str" => "gone away",
        "obj" => "This is a custom message",
        "emoji" => "Name too long: aaa\u{fffd}",
        "int/x" => "Validation failed (numeric string is expected)",
        "v" | "v422" => {
            "email must be an email; age must not be less than 0; inner.n must not be less than 1"
        }
        "vo" => "email must be an email; age must not be less than 0",
        "vr" => "email must be an email; age must not be less than 0; n must not be less than 1",
        "nfo2" => return None,
        other => panic!("{other} is not known"),
    })
}

#[test]
fn the_words_of_each_recorded_nest_error_are_found() {
    let all: Vec<Recorded> = serde_json::from_str(include_str!("nest-errors.json")).unwrap();
    assert_eq!(all.len(), 50);
    for Recorded { name, status, body } in all {
        let read = read(status, &body);
        let expected = match name.split_once('/') {
            // The documented filter writes no words, but of what it does not catch.
            Some(("docs", case)) if case != "plain" => None,
            Some((_, case)) => thrown(case),
            None if name == "unknown route" => Some("Cannot GET /nope"),
            None => Some("Unexpected end of JSON input"),
        };
        assert_eq!(read.words(), expected, "{name}");
        assert_eq!(read.status(), status, "{name}");
        if name.starts_with("docs/") && name != "docs/plain" {
            let printed: Value = serde_json::from_slice(&read.to_json()).unwrap();
            assert!(
                body.contains(printed["timestamp"].as_str().unwrap()),
                "{name}"
            );
        }
        let validated = [
            ("email", "email must be an email"),
            ("age", "age must not be less than 0"),
        ];
        match name.rsplit('/').next() {
            Some("vo") if !name.starts_with("docs/") => {
                assert_eq!(details(&read), validated, "{name}");
            }
            Some("vr") if !name.starts_with("docs/") => {
                let nested = ("inner.n", "n must not be less than 1");
                assert_eq!(
                    details(&read),
                    [validated[0], validated[1], nested],
                    "{name}"
                );
            }
            _ => assert_eq!(details(&read), [], "{name}"),
        }
    }
}

#[test]
fn the_words_are_found_in_the_shapes_of_other_frameworks() {
    for (name, body, words, fields) in [
        (
            "the whole error under error",
            r#"{"statusCode":404,"error":{"message":"Property 7 not found","error":"Not Found"}}"#,
            "Property 7 not found",
            &[][..],
        ),
        (
            "a list under errors",
            r#"{"status":400,"code":"E1","errors":["a is odd","b is even"]}"#,
            "a is odd; b is even",
            &[],
        ),
        (
            "FastAPI",
            r#"{"detail":[{"type":"missing","loc":["body","items",3,"email"],"msg":"Field required","input":{}}]}"#,
            "body.items.3.email: Field required",
            &[("body.items.3.email", "Field required")],
        ),
        (
            "FastAPI's HTTPException",
            r#"{"detail":"Item not found"}"#,
            "Item not found",
            &[],
        ),
        (
            "FastAPI's HTTPException with an object",
            r#"{"detail":{"message":"Item not found","id":7}}"#,
            "Item not found",
            &[],
        ),
        (
            "Spring 2.3 and later, which leaves the message empty",
            r#"{"timestamp":"2026-11-26T05:00:00.000+00:00","status":404,"error":"Not Found","message":"","path":"/x"}"#,
            "Not Found",
            &[],
        ),
        (
            "Spring's binding errors",
            r#"{"status":400,"error":"Bad Request","errors":[{"field":"age","defaultMessage":"must be positive","rejectedValue":-1}]}"#,
            "age must be positive",
            &[("age", "must be positive")],
        ),
        (
            "problem details with errors (RFC 9457)",
            r##"{"type":"about:blank","title":"Your request is not valid.","errors":[{"detail":"must be a positive integer","pointer":"#/age"}]}"##,
            "Your request is not valid.",
            &[("age", "must be a positive integer")],
        ),
        (
            "a map of lists under errors",
            r#"{"message":"The given data was invalid.","errors":{"email":["is taken","is too long"],"age":"is odd"}}"#,
            "The given data was invalid.",
            &[("email", "is taken; is too long"), ("age", "is odd")],
        ),
        (
            "a map under errors, alone",
            r#"{"errors":{"email":["is taken"]}}"#,
            "email: is taken",
            &[("email", "is taken")],
        ),
        (
            "OAuth",
            r#"{"error":"invalid_grant","error_description":"The code has expired"}"#,
            "The code has expired",
            &[],
        ),
        (
            "express-validator",
            r#"{"errors":[{"type":"field","msg":"Invalid value","path":"email","location":"body"}]}"#,
            "email: Invalid value",
            &[("email", "Invalid value")],
        ),
        (
            "zod",
            r#"{"error":{"name":"ZodError","issues":[]},"message":[{"code":"too_small","path":["items",0,"n"],"message":"Too small"}]}"#,
            "items.0.n: Too small",
            &[("items.0.n", "Too small")],
        ),
        (
            "ours",
            r#"{"statusCode":422,"message":"Validation failed","correlationId":"c-1","timestamp":"2026-11-22T10:12:26.563Z","error":"Unprocessable Entity","details":[{"field":"name","message":"Required"}]}"#,
            "Validation failed",
            &[("name", "Required")],
        ),
        (
            "details without a message",
            r#"{"details":[{"field":"name","message":"Required"}]}"#,
            "name: Required",
            &[("name", "Required")],
        ),
    ] {
        let read = read(400, body);
        let words = match name {
            "Spring's binding errors" => "age: must be positive",
            _ => words,
        };
        assert_eq!(read.words(), Some(words), "{name}");
        assert_eq!(details(&read), fields, "{name}");
    }
}

#[test]
fn one_odd_member_hides_none_of_the_others() {
    let long = "[".repeat(200) + &"]".repeat(200);
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    for odd in [
        r#""error":"\ud83d""#.to_owned(),
        r#""\ud83d":1"#.to_owned(),
        r#""status":1e999"#.to_owned(),
        r#""status":"x""#.to_owned(),
        r#""timestamp":5,"correlationId":[]"#.to_owned(),
        r#""message":"first""#.to_owned(),
        format!(r#""error":{long}"#),
        format!(r#""details":{deep}"#),
        r#""title":{},"detail":null,"errors":7"#.to_owned(),
    ] {
        let body = format!(r#"{{{odd},"statusCode":400,"message":"Property 7 not found"}}"#);
        let read = read(500, &body);
        assert_eq!(read.words(), Some("Property 7 not found"), "{odd:.40}");
        assert_eq!(read.status(), 400, "{odd:.40}");
    }
}

#[test]
fn a_body_that_names_no_status_has_that_of_its_response() {
    let read = read(
        404,
        r#"{"code":"PROP_404","message":"Property 7 not found"}"#,
    );
    assert_eq!(read.status(), 404);
    assert_eq!(read.error(), Some("PROP_404"));
}

#[test]
fn words_hidden_under_many_objects_cost_no_stack() {
    let body = format!(
        "{}{}",
        r#"{"message":"#.repeat(5000) + r#""x""#,
        "}".repeat(5000)
    );
    assert_eq!(read(500, &body).words(), None);
}

#[test]
fn error_and_details_follow_the_members_of_the_platform_and_are_absent_without_need() {
    let body = ErrorBody::new(StatusCode::UNPROCESSABLE_ENTITY, "Validation failed")
        .with_timestamp(std::time::UNIX_EPOCH);
    let before = r#"{"statusCode":422,"message":"Validation failed","correlationId":"unknown","timestamp":"1970-01-01T00:00:00.000Z""#;
    assert_eq!(body.to_json(), format!("{before}}}"));

    let body = body
        .with_error("Unprocessable Entity")
        .with_details([ErrorDetail::new("name", "Required")]);
    assert_eq!(
        body.to_json(),
        format!(
            r#"{before},"error":"Unprocessable Entity","details":[{{"field":"name","message":"Required"}}]}}"#
        )
    );
    assert_eq!(
        ErrorBody::from_json(StatusCode::OK, &body.to_json()),
        Some(body)
    );
}

#[test]
fn a_relayed_error_keeps_the_peers_words_for_four_statuses_and_is_a_502_for_the_others() {
    for status in 400..600 {
        let peer = ErrorBody::new(StatusCode::from_u16(status).unwrap(), "No such owner")
            .with_error("OWNER")
            .with_details([ErrorDetail::new("owner", "unknown")]);
        let failure = Failure::relay(&peer);
        let response = failure.into_response::<Bytes>();
        assert_eq!(response.headers()["x-should-retry"], "false", "{status}");
        let read = ErrorBody::from_json(response.status(), response.body()).unwrap();
        if [400, 404, 409, 422].contains(&status) {
            assert_eq!(response.status(), status);
            assert_eq!(
                (read.words(), read.error(), details(&read)),
                (
                    Some("No such owner"),
                    Some("OWNER"),
                    vec![("owner", "unknown")]
                )
            );
        } else {
            assert_eq!(response.status(), 502, "{status}");
            let text = std::str::from_utf8(response.body()).unwrap();
            assert!(!text.contains("owner"), "{text}");
        }
    }
}

#[test]
fn success_false_with_a_reason_is_a_refusal_for_every_type() {
    for (members, words) in [
        (
            r#""message":"Insufficient funds""#,
            Some("Insufficient funds"),
        ),
        (r#""error":"Out of stock""#, Some("Out of stock")),
        (
            r#""error":{"message":"Out of stock"}"#,
            Some("Out of stock"),
        ),
        (r#""message":{"message":["a","b"]},"data":1"#, Some("a; b")),
        (r#""error":"no","timestamp":1771934400000"#, Some("no")),
        (r#""error":"no","timestamp":"t""#, Some("no")),
        (r#""message":"aaa\ud83d""#, Some("aaa\u{fffd}")),
        (r#""error":[],"data":null"#, None),
        (r#""error":{}"#, None),
    ] {
        let body = format!(r#"{{"success":false,{members}}}"#);
        for error in [
            unwrap_envelope::<()>(body.as_bytes()).unwrap_err(),
            unwrap_envelope::<Value>(body.as_bytes()).unwrap_err(),
            UnwrapMode::Lenient
                .bytes::<Value>(body.as_bytes())
                .unwrap_err(),
        ] {
            assert_eq!(error.kind(), civic_envelope::ErrorKind::Refused, "{body}");
            assert_eq!(error.message(), words, "{body}");
        }
        UnwrapMode::Raw.bytes::<()>(body.as_bytes()).unwrap();
    }
}

#[test]
fn success_false_without_a_reason_is_a_refusal_for_the_unit_type_and_in_lenient_mode() {
    for body in [
        r#"{"success":false}"#,
        r#"{"success":false,"data":null}"#,
        r#"{"success":false,"message":null,"error":7,"code":"X"}"#,
    ] {
        let refused = civic_envelope::ErrorKind::Refused;
        let error = unwrap_envelope::<()>(body.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), refused, "{body}");
        let error = UnwrapMode::Lenient
            .bytes::<Value>(body.as_bytes())
            .unwrap_err();
        assert_eq!(error.kind(), refused, "{body}");
        // A domain type that has `success` reads it itself.
        let value: Value = unwrap_envelope(body.as_bytes()).unwrap();
        assert_eq!(value["success"], false, "{body}");
    }
    unwrap_envelope::<()>(br#"{"success":"false"}"#).unwrap();
    unwrap_envelope::<()>(br#"{"data":{"success":false}}"#).unwrap();
    let inside = br#"{"success":true,"data":{"success":false,"message":"x"},"timestamp":"t"}"#;
    unwrap_envelope::<()>(inside).unwrap();
}

#[test]
fn a_name_with_half_of_a_surrogate_pair_does_not_fail_a_type_that_skips_it() {
    #[derive(Deserialize)]
    struct Known {
        a: u8,
    }
    let body = br#"{"\ud83d":2}"#;
    unwrap_envelope::<()>(body).unwrap();
    unwrap_envelope::<&serde_json::value::RawValue>(body).unwrap();
    let enveloped = br#"{"success":true,"data":{"a":1},"\ud83d":2,"timestamp":"t"}"#;
    unwrap_envelope::<()>(enveloped).unwrap();
    let known: Known = unwrap_envelope(br#"{"a":1,"b":"\ud83d"}"#).unwrap();
    assert_eq!(known.a, 1);
}

/// An error of a field, so many levels inside of others that say nothing themselves.
fn nested(levels: usize) -> String {
    let before = r#"{"property":"a","children":["#.repeat(levels);
    let inside = r#"{"property":"last","constraints":{"min":"too small"}}"#;
    format!(r#"{{"message":[{before}{inside}{}]}}"#, "]}".repeat(levels))
}

#[test]
fn a_nested_validation_error_is_followed_to_a_depth_and_no_stack_overflows() {
    let details = |levels| {
        let body = nested(levels);
        let error = ErrorBody::from_json(StatusCode::BAD_REQUEST, body.as_bytes());
        error.map_or(0, |error| error.details().len())
    };
    // With little room for a stack, and up to the cap of an error body.
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    let found = small.spawn(move || [0, 1, 7, 8, 100, 2000].map(details));
    let found = found.expect("a thread").join().expect("no panic");
    assert_eq!(found, [1, 1, 1, 0, 0, 0]);
}

#[test]
fn the_words_of_a_list_are_looked_for_in_its_first_1024_elements() {
    for (before, expected) in [(0, true), (1023, true), (1024, false), (10_000, false)] {
        let body = format!(r#"{{"message":[{}"no"]}}"#, "0,".repeat(before));
        let error = ErrorBody::from_json(StatusCode::BAD_REQUEST, body.as_bytes());
        let found = error.is_some_and(|error| error.message() == "no");
        assert_eq!(found, expected, "behind {before} others");
    }
}
