//! Any bytes as the body of an error: no panic, and what was read is written as something that
//! reads the same.

use civic_envelope::ErrorBody;
use http::StatusCode;
use serde_json::value::RawValue;

pub(crate) fn run(data: &[u8]) {
    let Some(body) = ErrorBody::from_json(StatusCode::BAD_GATEWAY, data) else {
        return;
    };
    let text = str::from_utf8(data).expect("what was read is UTF-8");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: &RawValue = serde_json::from_str(text).expect("what was read is JSON");
    assert!(value.get().starts_with('{'), "every dialect is an object");

    let written = body.to_json();
    let again = ErrorBody::from_json(StatusCode::OK, &written).expect("what was written can be read");
    assert_eq!(again.to_json(), written);
    assert_eq!(
        (again.status(), again.message(), again.correlation_id()),
        (body.status(), body.message(), body.correlation_id())
    );
}
