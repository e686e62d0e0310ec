//! What a client makes of each kind of body.

use civic_envelope::{
    Envelope, ErrorKind, MAX_SUCCESS_BYTES, UnwrapMode, unwrap_envelope, unwrap_response,
};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

fn marked() -> HeaderMap {
    HeaderMap::from_iter([(
        civic_envelope::ENVELOPE_HEADER,
        HeaderValue::from_static("1"),
    )])
}

/// The value, or the kind of the error.
fn outcome(result: Result<Value, civic_envelope::Error>) -> Result<Value, ErrorKind> {
    result.map_err(|error| error.kind())
}

/// A body and what `Strict` without and with the mark, `Lenient` and `Raw` make of it.
struct Row {
    name: &'static str,
    body: &'static str,
    unmarked: Result<Value, ErrorKind>,
    marked: Result<Value, ErrorKind>,
    lenient: Result<Value, ErrorKind>,
    raw: Result<Value, ErrorKind>,
}

#[test]
fn each_kind_of_body_is_judged_by_the_rules() {
    use ErrorKind::{Decode, Protocol, Refused};
    let whole = |body: &str| Ok(serde_json::from_str(body).unwrap());

    let mut rows = Vec::new();
    let mut row = |name, body: &'static str, unmarked: Result<Value, _>, marked, lenient| {
        let raw = serde_json::from_str(body).map_err(|_| Decode);
        rows.push(Row {
            name,
            body,
            unmarked,
            marked,
            lenient,
            raw,
        });
    };
    let body = r#"{"success":true,"data":{"a":1},"timestamp":"t"}"#;
    row(
        "canonical",
        body,
        Ok(json!({"a": 1})),
        Ok(json!({"a": 1})),
        Ok(json!({"a": 1})),
    );
    let body = " {\n\"timestamp\" : \"t\", \"data\" : [ ] , \"success\" : true }\n";
    row(
        "reordered and spaced",
        body,
        Ok(json!([])),
        Ok(json!([])),
        Ok(json!([])),
    );
    let body = r#"{"succes\u0073":true,"data":1,"timestamp":"t"}"#;
    row(
        "escaped key",
        body,
        Ok(json!(1)),
        Ok(json!(1)),
        Ok(json!(1)),
    );
    let body = r#"{"success":true,"data":1,"message":"ok","meta":{"page":1},"timestamp":"t"}"#;
    row(
        "message and meta",
        body,
        Ok(json!(1)),
        Ok(json!(1)),
        Ok(json!(1)),
    );
    let body = r#"{"success":true,"data":1,"timestamp":"t","extra":2}"#;
    row(
        "another member",
        body,
        whole(body),
        Ok(json!(1)),
        Ok(json!(1)),
    );
    let body = r#"{"success":true,"timestamp":"t"}"#;
    row(
        "handler returned nothing",
        body,
        Ok(Value::Null),
        Ok(Value::Null),
        Ok(Value::Null),
    );
    let body = r#"{"success":true,"data":1}"#;
    row(
        "no timestamp",
        body,
        whole(body),
        Err(Protocol),
        Ok(json!(1)),
    );
    let body = r#"{"success":true,"data":1,"timestamp":5}"#;
    row(
        "numeric timestamp",
        body,
        whole(body),
        Err(Protocol),
        Ok(json!(1)),
    );
    let body = r#"{"success":1,"data":1,"timestamp":"t"}"#;
    row(
        "success is a number",
        body,
        whole(body),
        Err(Protocol),
        Ok(json!(1)),
    );
    let body = r#"{"success":"true","data":1,"timestamp":"t"}"#;
    row(
        "success is a string",
        body,
        whole(body),
        Err(Protocol),
        Ok(json!(1)),
    );
    let body = r#"{"success":null,"data":1,"timestamp":"t"}"#;
    row(
        "success is null",
        body,
        whole(body),
        Err(Protocol),
        Ok(json!(1)),
    );
    let body = r#"{"data":1,"timestamp":"t"}"#;
    row("no success", body, whole(body), Err(Protocol), whole(body));
    let body = r#"{"success":true,"data":[1,2],"total":10}"#;
    row(
        "a domain type of its own",
        body,
        whole(body),
        Err(Protocol),
        Ok(json!([1, 2])),
    );
    let body = r#"{"success":false,"data":1,"timestamp":"t"}"#;
    row("refused", body, Err(Refused), Err(Refused), Err(Refused));
    let body = r#"{"success":false,"timestamp":"t"}"#;
    row(
        "refused without data",
        body,
        Err(Refused),
        Err(Refused),
        Err(Refused),
    );
    let body = r#"{"success":false,"data":{"a":1},"code":"X","timestamp":"t"}"#;
    row(
        "refused with other members",
        body,
        Err(Refused),
        Err(Refused),
        Err(Refused),
    );
    let body = r#"{"success":false,"data":1}"#;
    row(
        "false without timestamp",
        body,
        whole(body),
        Err(Protocol),
        Err(Refused),
    );
    let body = r#"{"success":true,"success":false,"data":1,"timestamp":"t"}"#;
    row(
        "success twice",
        body,
        Err(Protocol),
        Err(Protocol),
        Err(Protocol),
    );
    let body = r#"{"success":"x","success":true,"data":1,"timestamp":"t"}"#;
    row(
        "success twice, once odd",
        body,
        Err(Protocol),
        Err(Protocol),
        Err(Protocol),
    );
    let body = r#"{"success":true,"data":1,"data":2,"timestamp":"t"}"#;
    row(
        "data twice",
        body,
        Err(Protocol),
        Err(Protocol),
        Err(Protocol),
    );
    let body = r#"{"success":true,"data":1,"d\u0061ta":2,"timestamp":"t"}"#;
    row(
        "data twice, once escaped",
        body,
        Err(Protocol),
        Err(Protocol),
        Err(Protocol),
    );
    let body = r#"{"success":true,"data":1,"timestamp":"t","timestamp":"u"}"#;
    row(
        "timestamp twice",
        body,
        Err(Protocol),
        Err(Protocol),
        Err(Protocol),
    );
    let body = r#"{"success":true,"data":1,"timestamp":1,"timestamp":"u"}"#;
    row(
        "timestamp twice, once odd",
        body,
        Err(Protocol),
        Err(Protocol),
        Err(Protocol),
    );
    let body =
        r#"{"success":true,"data":{"success":true,"data":1,"timestamp":"t"},"timestamp":"t"}"#;
    let inner = json!({"success": true, "data": 1, "timestamp": "t"});
    row(
        "nested",
        body,
        Ok(inner.clone()),
        Ok(inner.clone()),
        Ok(inner),
    );
    row(
        "array",
        "[1]",
        Ok(json!([1])),
        Err(Protocol),
        Ok(json!([1])),
    );
    row(
        "string",
        r#""s""#,
        Ok(json!("s")),
        Err(Protocol),
        Ok(json!("s")),
    );
    row(
        "null",
        "null",
        Ok(Value::Null),
        Err(Protocol),
        Ok(Value::Null),
    );
    row(
        "HTML",
        "<html></html>",
        Err(Decode),
        Err(Protocol),
        Err(Decode),
    );
    row(
        "white space",
        " \n",
        Err(Decode),
        Err(Protocol),
        Err(Decode),
    );
    let body = r#"{"success":true,"data":1,"timestamp":"t""#;
    row("cut", body, Err(Decode), Err(Protocol), Err(Decode));
    let body = r#"{"success":true,"data":1,"timestamp":"t"}}"#;
    row(
        "one brace more",
        body,
        Err(Decode),
        Err(Protocol),
        Err(Decode),
    );

    for Row {
        name,
        body,
        unmarked,
        marked: with_mark,
        lenient,
        raw,
    } in rows
    {
        let bytes = body.as_bytes();
        let none = HeaderMap::new();
        assert_eq!(outcome(unwrap_envelope(bytes)), unmarked, "{name}");
        assert_eq!(
            outcome(unwrap_response(&none, bytes)),
            unmarked,
            "{name}, no header"
        );
        assert_eq!(
            outcome(unwrap_response(&marked(), bytes)),
            with_mark,
            "{name}, marked"
        );
        assert_eq!(
            outcome(UnwrapMode::Lenient.bytes(bytes)),
            lenient,
            "{name}, lenient"
        );
        assert_eq!(
            outcome(UnwrapMode::Lenient.response(&marked(), bytes)),
            with_mark,
            "{name}, lenient and marked"
        );
        assert_eq!(outcome(UnwrapMode::Raw.bytes(bytes)), raw, "{name}, raw");
        assert_eq!(
            outcome(UnwrapMode::Raw.response(&marked(), bytes)),
            raw,
            "{name}, raw, marked"
        );
    }
}

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
