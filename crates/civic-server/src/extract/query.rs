//! The parameters of a request's query.

use axum::extract::FromRequestParts;
use civic_envelope::Failure;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::refusal;

/// The longest reason that is passed on.
const MAX_REASON_BYTES: usize = 256;

/// The parameters of a request's query, decoded.
///
/// As axum's `Query`, but rejects a request in the platform's error shape: 422 with `details` for a
/// query that cannot be read, or is not of the type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Sync,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        let deserializer = serde_urlencoded::Deserializer::new(pairs);
        serde_path_to_error::deserialize(deserializer)
            .map(Self)
            .map_err(|error| {
                let path = match error.path().to_string() {
                    // What the library writes where it knows no field.
                    path if path == "." || path == "?" => String::new(),
                    path => refusal::field(&path),
                };
                let reason = without_value(&error.into_inner().to_string());
                refusal::invalid([refusal::mistake(path, &reason)])
            })
    }
}

/// Returns a reason of serde's without the value that some of them quote.
fn without_value(reason: &str) -> String {
    let quoting = [
        "unknown variant",
        "unknown field",
        "invalid type",
        "invalid value",
    ];
    let without = quoting
        .into_iter()
        .find(|what| reason.starts_with(what))
        .map_or_else(
            || reason.to_owned(),
            |what| match reason.rfind(", expected ") {
                Some(expected) => format!("{what}{}", &reason[expected..]),
                None => what.to_owned(),
            },
        );
    without[..without.floor_char_boundary(MAX_REASON_BYTES)].to_owned()
}
