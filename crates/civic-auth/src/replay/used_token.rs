//! The name under which a used token is remembered.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

/// The name under which a used token is remembered: a SHA-256 of its issuer and its `jti`.
///
/// It has the same length for every token, says nothing about the caller, and cannot be chosen by
/// one. `Display` writes it as 64 hexadecimal digits, which any store can have in a key.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct UsedToken([u8; 32]);

impl UsedToken {
    /// Makes the name of the token of this issuer (`iss`) and id (`jti`).
    ///
    /// A token without an issuer has another name than one whose issuer is the empty text.
    #[must_use]
    pub fn new(issuer: Option<&str>, token_id: &str) -> Self {
        let mut context = Context::new(&SHA256);
        // With its length, so that no end of the issuer is the beginning of an id.
        let length = issuer.map_or(u64::MAX, |issuer| issuer.len() as u64);
        context.update(&length.to_be_bytes());
        context.update(issuer.unwrap_or_default().as_bytes());
        context.update(token_id.as_bytes());
        let digest = context.finish();
        let mut name = [0; 32];
        name.copy_from_slice(digest.as_ref());
        Self(name)
    }

    /// Returns the bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for UsedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
