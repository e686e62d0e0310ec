//! The second part of a token, from its text to its claims.

use super::payload::Payload;
use super::{compact, service};

/// Reads the claims, or returns `None` if they are malformed.
pub(crate) fn read(part: &str) -> Option<Payload> {
    service::read(part).or_else(|| Payload::parse(&compact::decode_text(part)?).ok())
}
