//! The correlation id as a stranger has sent it.

use std::fmt;

use http::HeaderValue;

/// The most characters that are kept of it.
const MAX_CHARACTERS: usize = 128;

/// The correlation id that came with a request, where another one replaced it.
///
/// It is in the request's extensions. It is cut to 128 characters, and what could begin a line of a
/// log is escaped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OriginalCorrelationId(String);

impl OriginalCorrelationId {
    pub(super) fn new(sent: &HeaderValue) -> Self {
        let text = String::from_utf8_lossy(sent.as_bytes());
        let start: String = text.chars().take(MAX_CHARACTERS).collect();
        Self(start.escape_debug().to_string())
    }

    /// Returns what was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OriginalCorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
