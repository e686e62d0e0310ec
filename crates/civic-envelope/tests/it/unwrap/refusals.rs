//! A refusal is never a success.

use civic_envelope::{Envelope, ErrorKind, unwrap_envelope, unwrap_response};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::marked;

#[test]
fn success_false_is_an_error_with_the_peers_message() {
    for (member, message) in [
        (r#""message":"roll is locked""#, Some("roll is locked")),
        (r#""message":["a","b"]"#, Some("a; b")),
        (r#""message":7"#, None),
        (r#""code":"X""#, None),
    ] {
        let body = format!(r#"{{"success":false,"data":{{"ok":1}},{member},"timestamp":"t"}}"#);
        let error = unwrap_envelope::<Value>(body.as_bytes()).unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Refused, message),
            "{body}"
        );
        let error = unwrap_envelope::<()>(body.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{body}");
    }
}

#[test]
fn a_marked_body_cut_anywhere_is_never_a_success() {
    let body = Envelope::new(json!({"a": "é", "b": [1, null]}))
        .to_json()
        .unwrap();
    for end in 0..body.len() {
        assert!(
            unwrap_response::<Value>(&marked(), &body[..end]).is_err(),
            "{end}"
        );
        assert!(
            unwrap_response::<()>(&marked(), &body[..end]).is_err(),
            "{end}"
        );
        if end > 0 {
            assert!(
                unwrap_envelope::<Value>(&body[..end]).is_err(),
                "{end}, not marked"
            );
        }
    }
    assert!(unwrap_response::<Value>(&marked(), &body).is_ok());
}

#[test]
fn a_mark_of_an_unknown_version_is_a_protocol_error() {
    let body = br#"{"success":true,"data":1,"timestamp":"t"}"#;
    for value in ["2", "", "true", "1, 1"] {
        let mut headers = HeaderMap::new();
        headers.insert("x-envelope", HeaderValue::from_static(value));
        let error = unwrap_response::<u8>(&headers, body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{value:?}");
    }
    let mut twice = marked();
    twice.append("x-envelope", HeaderValue::from_static("1"));
    assert_eq!(unwrap_response::<u8>(&twice, body).unwrap(), 1);
    twice.append("x-envelope", HeaderValue::from_static("2"));
    assert!(unwrap_response::<u8>(&twice, body).is_err());
}

#[test]
fn a_refusal_cannot_hide_behind_a_member_that_cannot_be_read() {
    let body = br#"{"success":false,"data":1,"timestamp":"t","\ud800":1}"#;
    for error in [
        unwrap_envelope::<()>(body).unwrap_err(),
        unwrap_response::<()>(&marked(), body).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
}
