//! Which body is an envelope, which is a payload, and which is neither.

use civic_envelope::{ErrorKind, UnwrapMode, unwrap_envelope, unwrap_response};
use http::HeaderMap;
use serde_json::{Value, json};

use super::{marked, outcome};

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
