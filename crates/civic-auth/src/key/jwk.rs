//! A JSON Web Key (RFC 7517), and two members that bind it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::algorithm::Algorithm;
use super::secret::{Secret, is_key_id};
use super::verifying::{Profile, VerifyingKey};
use crate::error::{ConfigError, ConfigErrorKind};

#[derive(Deserialize)]
pub(super) struct Jwk {
    kty: String,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    #[serde(default)]
    k: Option<SecretText>,
    #[serde(default)]
    d: Option<SecretText>,
    /// Ours: the issuer that the key is bound to.
    #[serde(default)]
    issuer: Option<String>,
    /// Ours: `service` or `user`.
    #[serde(default)]
    profile: Option<String>,
}

/// What the publisher of a key should have kept to itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Leaked {
    Secret,
    PrivateKey,
}

/// A text whose memory is overwritten when it is dropped.
struct SecretText(Zeroizing<String>);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl VerifyingKey {
    /// Reads an Ed25519 or P-256 public key as a JSON Web Key (RFC 7517), with its `kid`.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidKey`] for anything else, a private key, a key that is not for
    /// verifying (`use` other than `sig`, `key_ops` without `verify`), and one whose `alg` is not
    /// that of its curve; [`ConfigErrorKind::InvalidKeyId`].
    pub fn from_jwk(json: &str) -> Result<Self, ConfigError> {
        Jwk::parse(json)?
            .key()?
            .ok_or_else(|| ConfigError::new(ConfigErrorKind::InvalidKey))
    }
}

// ===== impl Jwk =====

impl Jwk {
    pub(super) fn parse(json: &str) -> Result<Self, ConfigError> {
        serde_json::from_str(json).map_err(|_| ConfigError::new(ConfigErrorKind::InvalidKey))
    }

    /// Returns what must never be published of this key, if it is there.
    pub(super) fn leaked(&self) -> Option<Leaked> {
        if self.kty == "oct" || self.k.is_some() {
            return Some(Leaked::Secret);
        }
        self.d.as_ref().map(|_| Leaked::PrivateKey)
    }

    /// Returns the id, if it is one that a key can have.
    pub(super) fn id(&self) -> Option<&str> {
        self.kid.as_deref().filter(|id| is_key_id(id))
    }

    /// Returns the public key, or `None` if it is one for another purpose or of another kind. It is
    /// not bound: the publisher of a set does not say for whom its keys may speak.
    pub(super) fn key(&self) -> Result<Option<VerifyingKey>, ConfigError> {
        let invalid = || ConfigError::new(ConfigErrorKind::InvalidKey);
        if !self.is_for_verifying() {
            return Ok(None);
        }
        if self.d.is_some() {
            return Err(invalid());
        }
        let (algorithm, bytes) = match (&*self.kty, self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => (
                Algorithm::EdDsa,
                decode(self.x.as_deref()).ok_or_else(invalid)?,
            ),
            ("EC", Some("P-256")) => {
                let x = decode(self.x.as_deref()).ok_or_else(invalid)?;
                let y = decode(self.y.as_deref()).ok_or_else(invalid)?;
                if (x.len(), y.len()) != (32, 32) {
                    return Err(invalid());
                }
                (Algorithm::Es256, [&[4][..], &x, &y].concat())
            }
            _ => return Ok(None),
        };
        // The algorithm is that of the key: one that says otherwise is not used at all.
        if self
            .alg
            .as_deref()
            .is_some_and(|alg| alg != algorithm.as_str())
        {
            return Ok(None);
        }
        self.named(VerifyingKey::public(algorithm, &bytes)?)
            .map(Some)
    }

    /// Returns the key of a local file, bound as the file says. It may be a shared secret, where
    /// `kty` is `oct`.
    pub(super) fn bound_key(&self) -> Result<Option<VerifyingKey>, ConfigError> {
        let key = match self.key()? {
            None => self.secret()?,
            key => key,
        };
        key.map(|key| self.bind(key)).transpose()
    }

    /// RFC 7517 sections 4.2 and 4.3.
    fn is_for_verifying(&self) -> bool {
        let operations = self.key_ops.as_deref();
        self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && operations.is_none_or(|operations| operations.iter().any(|name| name == "verify"))
    }

    fn secret(&self) -> Result<Option<VerifyingKey>, ConfigError> {
        if self.kty != "oct" || !self.is_for_verifying() {
            return Ok(None);
        }
        let bytes = decode(self.k.as_ref().map(|text| text.0.as_str()))
            .map(Zeroizing::new)
            .ok_or_else(|| ConfigError::new(ConfigErrorKind::InvalidKey))?;
        self.named(VerifyingKey::from(Secret::new(&*bytes)?))
            .map(Some)
    }

    fn named(&self, key: VerifyingKey) -> Result<VerifyingKey, ConfigError> {
        match self.kid.as_deref() {
            Some(id) => key.with_id(id),
            None => Ok(key),
        }
    }

    fn bind(&self, mut key: VerifyingKey) -> Result<VerifyingKey, ConfigError> {
        if let Some(issuer) = self.issuer.as_deref() {
            key = key.issued_by(issuer);
        }
        Ok(match self.profile.as_deref() {
            None => key,
            Some("service") => key.only(Profile::Service),
            Some("user") => key.only(Profile::User),
            Some(_) => return Err(ConfigError::new(ConfigErrorKind::InvalidKey)),
        })
    }
}

fn decode(text: Option<&str>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}
