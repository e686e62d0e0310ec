//! The content types that mean JSON.

use http::HeaderValue;

/// What Node peers send, the charset included.
pub(crate) const APPLICATION_JSON: HeaderValue =
    HeaderValue::from_static("application/json; charset=utf-8");

/// Returns the type without its parameters.
pub(crate) fn essence(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    Some(text.split(';').next().unwrap_or_default().trim())
}

/// Whether this is `application/json` or `application/*+json` (RFC 6839 section 3.1), with any
/// parameters.
pub(crate) fn is_json(value: &HeaderValue) -> bool {
    let Some(essence) = essence(value).map(str::to_ascii_lowercase) else {
        return false;
    };
    essence.strip_prefix("application/").is_some_and(|subtype| {
        subtype == "json"
            || subtype
                .strip_suffix("+json")
                .is_some_and(|prefix| !prefix.is_empty())
    })
}
