//! What of a payload reaches the caller.

use civic_envelope::{ErrorKind, MAX_SUCCESS_BYTES, UnwrapMode, unwrap_envelope, unwrap_response};
use serde::Deserialize;
use serde_json::Value;

use super::marked;

#[test]
fn strict_is_the_default() {
    assert_eq!(UnwrapMode::default(), UnwrapMode::Strict);
}

#[test]
fn a_payload_with_its_own_success_and_data_survives() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Batch {
        success: bool,
        data: Vec<u8>,
        total: u32,
    }
    let batch = || Batch {
        success: true,
        data: vec![1, 2],
        total: 10,
    };

    let bare = br#"{"success":true,"data":[1,2],"total":10}"#;
    assert_eq!(unwrap_envelope::<Batch>(bare).unwrap(), batch());
    let dated = br#"{"success":true,"data":[1,2],"total":10,"timestamp":"yesterday"}"#;
    assert_eq!(unwrap_envelope::<Batch>(dated).unwrap(), batch());
    let wrapped = br#"{"success":true,"data":{"success":true,"data":[1,2],"total":10},"timestamp":"2026-11-22T10:12:26.436Z"}"#;
    assert_eq!(unwrap_envelope::<Batch>(wrapped).unwrap(), batch());
}

#[test]
fn an_empty_body_is_null_unless_it_is_marked() {
    for body in ["", "\u{feff}"] {
        let body = body.as_bytes();
        assert_eq!(unwrap_envelope::<Option<u8>>(body).unwrap(), None);
        unwrap_envelope::<()>(body).unwrap();
        assert_eq!(
            unwrap_envelope::<u8>(body).unwrap_err().kind(),
            ErrorKind::Decode
        );
        assert_eq!(UnwrapMode::Raw.bytes::<Option<u8>>(body).unwrap(), None);
        let error = unwrap_response::<Option<u8>>(&marked(), body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
    }
}

#[test]
fn one_byte_order_mark_is_skipped_and_a_second_one_is_not() {
    let body = "\u{feff}{\"success\":true,\"data\":1,\"timestamp\":\"t\"}";
    assert_eq!(unwrap_envelope::<u8>(body.as_bytes()).unwrap(), 1);
    assert_eq!(unwrap_envelope::<u8>("\u{feff}1".as_bytes()).unwrap(), 1);
    let twice = format!("\u{feff}{body}");
    assert_eq!(
        unwrap_envelope::<u8>(twice.as_bytes()).unwrap_err().kind(),
        ErrorKind::Decode
    );
}

#[test]
fn the_unit_type_skips_any_payload_but_only_json() {
    for data in ["null", "1", r#"{"a":[1]}"#, r#""s""#] {
        let body = format!(r#"{{"success":true,"data":{data},"timestamp":"t"}}"#);
        unwrap_envelope::<()>(body.as_bytes()).unwrap();
        unwrap_envelope::<()>(data.as_bytes()).unwrap();
    }
    assert_eq!(
        unwrap_envelope::<()>(b"{oops}").unwrap_err().kind(),
        ErrorKind::Decode
    );
    // Only the payload as a whole: inside of it, `()` is null as everywhere.
    assert!(unwrap_envelope::<Vec<()>>(b"[1]").is_err());
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_parsed() {
    let body = vec![b' '; MAX_SUCCESS_BYTES + 1];
    let error = unwrap_envelope::<Value>(&body).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let fitting = [vec![b' '; MAX_SUCCESS_BYTES - 1], b"1".to_vec()].concat();
    assert_eq!(unwrap_envelope::<u8>(&fitting).unwrap(), 1);

    assert_eq!(UnwrapMode::Strict.bytes_within::<u8>(b"12", 2).unwrap(), 12);
    let error = UnwrapMode::Strict
        .bytes_within::<u8>(b"123", 2)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let error = UnwrapMode::Raw
        .response_within::<u8>(&marked(), b"123", 2)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[test]
fn numbers_keep_their_exact_value() {
    let wrapped = |data: &str| format!(r#"{{"success":true,"data":{data},"timestamp":"t"}}"#);
    for number in [u64::MAX, 9_007_199_254_740_993] {
        let body = wrapped(&number.to_string());
        assert_eq!(unwrap_envelope::<u64>(body.as_bytes()).unwrap(), number);
    }
    let body = wrapped(&i128::MIN.to_string());
    assert_eq!(unwrap_envelope::<i128>(body.as_bytes()).unwrap(), i128::MIN);
    assert_eq!(
        unwrap_envelope::<f64>(wrapped("0.1").as_bytes()).unwrap(),
        0.1
    );
}
