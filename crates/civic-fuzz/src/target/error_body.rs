//! Any bytes as the body of an error: no panic, what is easy to read is read as a second reading
//! says, and what was read is written as something that reads the same.

use civic_envelope::ErrorBody;
use http::StatusCode;
use serde_json::Value;
use serde_json::value::RawValue;

pub(super) fn run(data: &[u8]) {
    let Some(body) = ErrorBody::from_json(StatusCode::BAD_GATEWAY, data) else {
        return;
    };
    let text = str::from_utf8(data).expect("what was read is UTF-8");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: &RawValue = serde_json::from_str(text).expect("what was read is JSON");
    assert!(value.get().starts_with('{'), "every dialect is an object");
    read_again(text, &body);

    let written = body.to_json();
    let again =
        ErrorBody::from_json(StatusCode::OK, &written).expect("what was written can be read");
    assert_eq!(again.to_json(), written);
    assert_eq!(
        (again.status(), again.message(), again.correlation_id()),
        (body.status(), body.message(), body.correlation_id())
    );
}

/// A second reading of what is easy to read: a status in `statusCode`, and plain words in `message`.
fn read_again(text: &str, body: &ErrorBody) {
    // Half of a surrogate pair is no JSON to this reader, which is none of the other one's business.
    let Ok(Value::Object(members)) = serde_json::from_str::<Value>(text) else {
        return;
    };
    if let Some(status @ 400..=599) = members.get("statusCode").and_then(Value::as_u64) {
        assert_eq!(u64::from(body.status().as_u16()), status);
    }
    let plain = |words: &&str| {
        (1..=100).contains(&words.len()) && words.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if let Some(words) = members.get("message").and_then(Value::as_str).filter(plain) {
        assert_eq!(body.message(), words);
    }
}
