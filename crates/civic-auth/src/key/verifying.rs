//! The key that verifies: what it accepts, and for whom it may speak.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::algorithm::Algorithm;
use super::crypto::Checker;
use super::pem;
use super::secret::{Secret, is_key_id};
use crate::error::{ConfigError, ConfigErrorKind};

/// What a token says that its bearer is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Profile {
    /// A service of the fleet.
    Service,
    /// A user: a person who has logged in.
    User,
}

/// A key that verifies tokens, and that says for whom it may speak.
///
/// A public key cannot mint. There is no way from a `VerifyingKey` to a minter:
///
/// ```compile_fail
/// use civic_auth::{TokenMinter, VerifyingKey};
///
/// fn forge(public: VerifyingKey) -> TokenMinter {
///     TokenMinter::new(public)
/// }
/// ```
///
/// A key that is [bound to an issuer](Self::issued_by) and [to a profile](Self::only) accepts no
/// token that names another issuer, or that is of the other kind. Bind each service's key, or the
/// key of one service can name another one, and mint a user. The algorithm is that of the key and
/// never that of a token's header.
#[derive(Clone)]
pub struct VerifyingKey {
    checker: Arc<Checker>,
    /// The bytes of a public key; `None` for a secret.
    public: Option<Arc<[u8]>>,
    id: Option<Arc<str>>,
    issuer: Option<Arc<str>>,
    profile: Option<Profile>,
    uses: Arc<AtomicU64>,
}

impl VerifyingKey {
    /// Reads an Ed25519 or P-256 public key in PEM (`BEGIN PUBLIC KEY`), as `openssl pkey -pubout`
    /// writes it.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidKey`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, ConfigError> {
        let der = pem::decode(pem, "PUBLIC KEY")
            .ok_or_else(|| ConfigError::new(ConfigErrorKind::InvalidKey))?;
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
            if let Some(bytes) = der.strip_prefix(spki(algorithm)) {
                return Self::public(algorithm, bytes);
            }
        }
        Err(ConfigError::new(ConfigErrorKind::InvalidKey))
    }

    pub(super) fn public(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, ConfigError> {
        let checker = Checker::public(algorithm, bytes)
            .ok_or_else(|| ConfigError::new(ConfigErrorKind::InvalidKey))?;
        Ok(Self {
            checker: Arc::new(checker),
            public: Some(bytes.into()),
            id: None,
            issuer: None,
            profile: None,
            uses: Arc::default(),
        })
    }

    /// Names this key, so that a token's `kid` selects it.
    ///
    /// Defaults to no id: the key is tried whatever `kid` a token has.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidKeyId`] unless the id is 1 to 64 characters of `[A-Za-z0-9_-]`.
    pub fn with_id(self, id: &str) -> Result<Self, ConfigError> {
        if !is_key_id(id) {
            return Err(ConfigError::new(ConfigErrorKind::InvalidKeyId));
        }
        Ok(self.with_checked_id(Some(id.into())))
    }

    pub(super) fn with_checked_id(mut self, id: Option<Arc<str>>) -> Self {
        self.id = id;
        self
    }

    /// Binds this key to an issuer: a token that it made must name this one in `iss`.
    ///
    /// Defaults to any issuer, and none.
    #[must_use]
    pub fn issued_by(mut self, issuer: impl Into<Arc<str>>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Binds this key to a profile: a token that it made must be of this kind.
    ///
    /// Defaults to both kinds.
    #[must_use]
    pub fn only(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Returns the algorithm of the key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.checker.algorithm()
    }

    /// Returns the id of the key.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns the issuer that the key is bound to.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns the profile that the key is bound to.
    #[must_use]
    pub fn profile(&self) -> Option<Profile> {
        self.profile
    }

    /// Returns the key in PEM, if it is a public one.
    #[must_use]
    pub fn to_pem(&self) -> Option<String> {
        let der = [spki(self.algorithm()), self.public.as_deref()?].concat();
        Some(pem::encode("PUBLIC KEY", &der).to_string())
    }

    /// Returns the key as a JSON Web Key, if it is a public one.
    #[must_use]
    pub fn to_jwk(&self) -> Option<String> {
        let public = self.public.as_deref()?;
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let id = self
            .id()
            .map_or_else(String::new, |id| format!(r#","kid":"{id}""#));
        Some(match self.algorithm() {
            Algorithm::Hs256 => return None,
            Algorithm::EdDsa => format!(
                r#"{{"kty":"OKP","crv":"Ed25519","x":"{}","alg":"EdDSA","use":"sig"{id}}}"#,
                encode(public)
            ),
            Algorithm::Es256 => {
                let (x, y) = public.get(1..)?.split_at_checked(32)?;
                format!(
                    r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}","alg":"ES256","use":"sig"{id}}}"#,
                    encode(x),
                    encode(y)
                )
            }
        })
    }

    /// Returns how many tokens this key has verified since it was read. Clones count together.
    ///
    /// When the count of a previous key stands still for longer than its tokens live, the key can
    /// be removed.
    #[must_use]
    pub fn uses(&self) -> u64 {
        self.uses.load(Ordering::Relaxed)
    }

    pub(crate) fn count_use(&self) {
        self.uses.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.checker.verify(message, signature)
    }
}

impl From<Secret> for VerifyingKey {
    fn from(secret: Secret) -> Self {
        Self {
            checker: Arc::new(Checker::hs256(&secret)),
            public: None,
            id: secret.id().map(Into::into),
            issuer: None,
            profile: None,
            uses: Arc::default(),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm())
            .field("id", &self.id)
            .field("issuer", &self.issuer)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Returns what precedes the key in a `SubjectPublicKeyInfo` (RFC 8410, RFC 5480): lengths and
/// object identifiers, which are the same for every key of the algorithm.
fn spki(algorithm: Algorithm) -> &'static [u8] {
    match algorithm {
        Algorithm::Hs256 => &[],
        Algorithm::EdDsa => &[
            0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
        ],
        Algorithm::Es256 => &[
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ],
    }
}
