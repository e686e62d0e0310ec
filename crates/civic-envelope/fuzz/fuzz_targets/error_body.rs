//! Any bytes as the body of an error: no panic, and what was read is written as something that reads the same.
#![no_main]

use civic_envelope::ErrorBody;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Some(body) = ErrorBody::from_json(data) else {
        return;
    };
    let json = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    let value: Value = serde_json::from_slice(json).expect("what was read is JSON");
    assert!(value.is_object(), "every dialect is an object");

    let written = body.to_json();
    let again = ErrorBody::from_json(&written).expect("what was written can be read");
    assert_eq!(again.to_json(), written);
    assert_eq!(
        (again.status(), again.message(), again.correlation_id()),
        (body.status(), body.message(), body.correlation_id())
    );
});
