//! What a client makes of each kind of body.

mod corpus;
mod payloads;
mod refusals;
mod rules;

use civic_envelope::ErrorKind;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

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
