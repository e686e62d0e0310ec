//! A minted token: easy to send, hard to print.

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;

/// The scheme and the space that precede a token in the `Authorization` header.
pub(crate) const BEARER: &str = "Bearer ";

/// A minted token.
///
/// `Debug` prints `[redacted]`, and there is no `Display`: a token belongs in a header and not in a
/// log.
#[derive(Clone)]
pub struct Token {
    /// `Bearer <token>`, ready to be sent, and marked sensitive.
    bearer: HeaderValue,
}

impl Token {
    /// Wraps `Bearer <token>`.
    pub(crate) fn from_bearer(bearer: Vec<u8>) -> Self {
        let mut bearer = HeaderValue::from_maybe_shared(Bytes::from(bearer))
            .expect("base64url, dots and one space are all allowed in a header");
        bearer.set_sensitive(true);
        Self { bearer }
    }

    /// Returns the token itself, in the compact form of a JWT.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bearer.as_bytes()[BEARER.len()..])
            .expect("base64url and dots are text")
    }

    /// Returns the value of the `Authorization` header, marked sensitive.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        self.bearer.clone()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}
