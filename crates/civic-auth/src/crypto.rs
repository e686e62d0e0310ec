//! The cryptography: the one file that names a cryptographic library.
//!
//! jsonwebtoken keeps a process-global provider that panics when an application's dependency graph
//! enables both of its back ends, and that stays broken for the rest of the process. `encode`,
//! `decode`, `crypto::sign`, `crypto::verify` and the `Jwk` functions all go through it. So nothing here does:
//!
//! - Minting HS256 uses a prepared key of the same library that stands behind that provider: the key
//!   schedule is computed once instead of once a token, and a prepared jsonwebtoken signer could not
//!   be shared, being neither `Send` nor `Sync`.
//!
//! No provider is installed either: that is the application's decision.

use aws_lc_rs::hmac;

use crate::secret::Secret;

/// A key that makes HS256 signatures.
pub(crate) struct SigningKey(hmac::Key);

impl SigningKey {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.bytes()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> impl AsRef<[u8]> + use<> {
        hmac::sign(&self.0, message)
    }
}
