//! The cryptography: the one file that names a cryptographic library.
//!
//! jsonwebtoken keeps a process-global provider that panics when an application's dependency graph
//! enables both of its back ends, and that stays broken for the rest of the process. `encode`,
//! `decode`, `crypto::sign`, `crypto::verify` and the `Jwk` functions all go through it. Nothing
//! here does:
//!
//! - Verifying uses the verifier factory of a *named* provider. An asymmetric algorithm is one more
//!   pair of [`Algorithm`] and [`DecodingKey`], with the same three lines.
//! - Minting HS256 uses a prepared key of the library behind that provider. The key schedule is
//!   then computed once and not for each token, and a prepared jsonwebtoken signer could not be
//!   shared, because it is neither `Send` nor `Sync`.
//!
//! No provider is installed either: that is the application's decision.

use aws_lc_rs::hmac;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey};

use super::secret::Secret;

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

/// A key that checks signatures of one algorithm, in constant time.
pub(crate) struct VerifyingKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl VerifyingKey {
    pub(crate) fn new(secret: &Secret) -> Self {
        Self {
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(secret.bytes()),
        }
    }

    /// Returns whether this key made `signature` over `message`. A truncated signature is refused.
    pub(crate) fn verify(&self, message: &[u8], signature: &Vec<u8>) -> bool {
        (DEFAULT_PROVIDER.verifier_factory)(&self.algorithm, &self.key)
            .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}
