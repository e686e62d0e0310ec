//! Whether a peer asks not to be called again (`x-should-retry`).

use http::{HeaderMap, HeaderName};

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Returns whether the peer said that a retry is of no use, with `x-should-retry: false`.
///
/// Any other value says nothing: the header never adds a retry.
pub(crate) fn said_no(headers: &HeaderMap) -> bool {
    headers
        .get_all(SHOULD_RETRY)
        .iter()
        .any(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"false"))
}
