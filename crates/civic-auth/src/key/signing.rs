//! The key that mints: private, and never printed.

use std::sync::Arc;
use std::{env, fmt};

use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::crypto::{self, Signature, Signer};
use super::pem;
use super::secret::{Secret, is_key_id};
use super::verifying::VerifyingKey;
use crate::error::{ConfigError, ConfigErrorKind};

/// A key that mints tokens.
///
/// `Debug` prints the algorithm and the id. The memory of the key is overwritten when the last
/// clone is dropped.
///
/// ```
/// use civic_auth::{Algorithm, SigningKey, TokenMinter, TokenVerifier, internal_headers};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pem = SigningKey::generate_pem(Algorithm::EdDsa)?;
/// let key = SigningKey::from_pem(pem.as_str())?.with_id("2026-11")?;
///
/// // The callee gets the public half, which cannot mint.
/// let public = key.public_key().ok_or("a shared secret has no public half")?;
/// let verifier = TokenVerifier::new(public.issued_by("billing"));
///
/// let minter = TokenMinter::new(key).with_issuer("billing");
/// let principal = verifier.verify(&internal_headers(&minter, None))?;
/// assert_eq!(principal.issuer(), Some("billing"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SigningKey {
    signer: Arc<Signer>,
    id: Option<Arc<str>>,
}

/// A private key in PEM. Made by [`SigningKey::generate_pem`].
///
/// `Debug` prints `[redacted]`. The memory is overwritten when the value is dropped.
pub struct PrivatePem(Zeroizing<String>);

// ===== impl PrivatePem =====

impl PrivatePem {
    /// Returns the text. It is a secret: write it where only the service can read it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivatePem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivatePem([redacted])")
    }
}

// ===== impl SigningKey =====

impl SigningKey {
    /// Reads an Ed25519 or P-256 private key in the PEM form of PKCS#8 (`BEGIN PRIVATE KEY`), as
    /// `openssl genpkey` and `civic key generate` write it.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidKey`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, ConfigError> {
        let der = pem::decode(pem, "PRIVATE KEY")
            .ok_or_else(|| ConfigError::new(ConfigErrorKind::InvalidKey))?;
        Self::from_pkcs8(&der)
    }

    /// Reads an Ed25519 or P-256 private key in the binary form of PKCS#8.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidKey`] for anything else.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, ConfigError> {
        let signer = Signer::pkcs8(Algorithm::EdDsa, der)
            .or_else(|| Signer::pkcs8(Algorithm::Es256, der))
            .ok_or_else(|| ConfigError::new(ConfigErrorKind::InvalidKey))?;
        Ok(Self {
            signer: Arc::new(signer),
            id: None,
        })
    }

    /// Reads a private key in PEM from an environment variable. `\n` may stand for a line break.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::MissingKey`] if the variable is not set, and
    /// [`ConfigErrorKind::InvalidKey`]. The error names the variable.
    pub fn from_env(variable: &str) -> Result<Self, ConfigError> {
        let pem = match env::var(variable) {
            Ok(pem) => Zeroizing::new(pem),
            Err(env::VarError::NotPresent) => {
                return Err(ConfigError::new(ConfigErrorKind::MissingKey).in_variable(variable));
            }
            Err(env::VarError::NotUnicode(value)) => {
                drop(Zeroizing::new(value.into_encoded_bytes()));
                return Err(ConfigError::new(ConfigErrorKind::InvalidKey).in_variable(variable));
            }
        };
        Self::from_pem(&Zeroizing::new(pem.replace("\\n", "\n")))
            .map_err(|error| error.in_variable(variable))
    }

    /// Generates a private key, in PEM.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidKey`] for HS256, whose key is a [`Secret`].
    pub fn generate_pem(algorithm: Algorithm) -> Result<PrivatePem, ConfigError> {
        crypto::generate(algorithm)
            .map(|der| PrivatePem(pem::encode("PRIVATE KEY", &der)))
            .ok_or_else(|| ConfigError::new(ConfigErrorKind::InvalidKey))
    }

    /// Names this key, so that tokens say which key made them (`kid`).
    ///
    /// Defaults to no id, or to that of the [`Secret`].
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidKeyId`] unless the id is 1 to 64 characters of `[A-Za-z0-9_-]`.
    pub fn with_id(mut self, id: &str) -> Result<Self, ConfigError> {
        if !is_key_id(id) {
            return Err(ConfigError::new(ConfigErrorKind::InvalidKeyId));
        }
        self.id = Some(id.into());
        Ok(self)
    }

    /// Returns the algorithm of the key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.signer.algorithm()
    }

    /// Returns the id of the key.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the public half of the key, with the same id: what a verifier needs.
    ///
    /// `None` for a shared secret, which has no public half.
    #[must_use]
    pub fn public_key(&self) -> Option<VerifyingKey> {
        let key = VerifyingKey::public(self.algorithm(), self.signer.public()?).ok()?;
        Some(key.with_checked_id(self.id.clone()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        self.signer.sign(message)
    }
}

impl From<Secret> for SigningKey {
    fn from(secret: Secret) -> Self {
        Self {
            signer: Arc::new(Signer::hs256(&secret)),
            id: secret.id().map(Into::into),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
