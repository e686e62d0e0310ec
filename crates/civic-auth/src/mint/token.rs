//! A minted token: easy to send, hard to print.

use std::fmt;

use http::HeaderValue;

/// The scheme and the space that precede a token in the `Authorization` header.
pub(crate) const BEARER: &str = "Bearer ";

/// A minted token.
///
/// `Debug` prints `[redacted]`, and there is no `Display`: a token belongs in a header and not in a
/// log.
#[derive(Clone)]
pub struct Token {
    /// `Bearer <token>`, ready to be sent.
    bearer: String,
}

impl Token {
    /// Wraps `Bearer <token>`.
    pub(crate) fn from_bearer(bearer: String) -> Self {
        Self { bearer }
    }

    /// Returns the token itself, in the compact form of a JWT.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.bearer[BEARER.len()..]
    }

    /// Returns the value of the `Authorization` header, marked sensitive.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(&self.bearer)
            .expect("base64url, dots and one space are all allowed in a header");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}
