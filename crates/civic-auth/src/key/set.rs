//! The keys that a verifier knows.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::jwk::{Jwk, Leaked};
use super::ring::KeyRing;
use super::secret::Secret;
use super::verifying::{Profile, VerifyingKey};
use crate::error::{Cause, ConfigError, ConfigErrorKind};

/// The largest set that is read.
const MAX_SET_BYTES: usize = 64 * 1024;

/// The most keys of a set that is read.
const MAX_KEYS: usize = 32;

/// The keys with which tokens are verified.
///
/// A set that replaces another one replaces all of it: a key that is not in it any more is dead.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    coverage: Coverage,
}

/// Whether a set has all keys that it should have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Coverage {
    #[default]
    Whole,
    /// One of the sources has no keys at present.
    Partial,
}

#[derive(Deserialize)]
struct Wire<'a> {
    // Borrowed: there may be secrets in them, of which no copy is left behind.
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

impl KeySet {
    /// Adds a key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<VerifyingKey>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// Reads the public keys of a JSON Web Key Set (RFC 7517 section 5).
    ///
    /// Keys for another use, of another kind or with an id of other characters, and those that
    /// cannot be read are ignored, as the RFC asks for. So are shared secrets (`"kty":"oct"`) and
    /// private keys, which no one may publish: each is a `WARN`. No key is bound, whatever the set
    /// says: bind each with [`VerifyingKey::issued_by`], or all with
    /// [`bound_to`](Self::bound_to).
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidKeySet`] if it is not a set of at most 64 KiB and 32 keys, if it
    /// has no key that can be used, or if two keys have one id.
    pub fn from_jwks(json: &[u8]) -> Result<Self, ConfigError> {
        Self::read(json, |jwk| {
            let Ok(jwk) = Jwk::parse(jwk) else {
                return Ok(None);
            };
            let Some(leaked) = jwk.leaked() else {
                return Ok(jwk.key().ok().flatten());
            };
            tracing::warn!(
                kid = jwk.id(),
                "a key set has a {}, which everyone who can read the set can mint with: it is not \
                 used; its publisher must replace it",
                match leaked {
                    Leaked::Secret => "shared secret",
                    Leaked::PrivateKey => "private key",
                }
            );
            Ok(None)
        })
    }

    /// Reads a set from a file of this machine: as [`from_jwks`](Self::from_jwks), and shared
    /// secrets (`"kty":"oct"`) as well. The members `"issuer"` and `"profile"` (`service` or
    /// `user`) bind a key. A key that cannot be read is the operator's mistake, and an error.
    pub(super) fn from_file(json: &[u8]) -> Result<Self, ConfigError> {
        Self::read(json, |jwk| Jwk::parse(jwk)?.bound_key())
    }

    fn read(
        json: &[u8],
        key: impl Fn(&str) -> Result<Option<VerifyingKey>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::new(ConfigErrorKind::InvalidKeySet);
        if json.len() > MAX_SET_BYTES {
            return Err(invalid());
        }
        let wire: Wire<'_> = serde_json::from_slice(json).map_err(|_| invalid())?;
        if wire.keys.len() > MAX_KEYS {
            return Err(invalid());
        }
        let keys: Vec<VerifyingKey> = wire
            .keys
            .iter()
            .filter_map(|jwk| key(jwk.get()).transpose())
            .collect::<Result<_, _>>()?;
        let duplicate = keys.iter().enumerate().any(|(index, key)| {
            key.id().is_some() && keys[..index].iter().any(|other| other.id() == key.id())
        });
        if keys.is_empty() || duplicate {
            return Err(invalid());
        }
        Ok(keys.into_iter().collect())
    }

    /// Binds every key to an issuer and to a profile, as [`VerifyingKey::issued_by`] and
    /// [`VerifyingKey::only`] do.
    #[must_use]
    pub fn bound_to(mut self, issuer: impl Into<Arc<str>>, profile: Profile) -> Self {
        let issuer = issuer.into();
        for key in &mut self.keys {
            *key = key.clone().issued_by(Arc::clone(&issuer)).only(profile);
        }
        self
    }

    /// Says that keys are missing from this set at present. A token that no key of it made is then
    /// refused with 503 and not with 401: the missing keys might have made it.
    pub(crate) fn with_keys_missing(mut self) -> Self {
        self.coverage = Coverage::Partial;
        self
    }

    pub(super) fn is_whole(&self) -> bool {
        self.coverage == Coverage::Whole
    }

    /// Returns why a token is refused for which there is no key.
    pub(crate) fn refusal(&self, cause: Cause) -> Cause {
        match self.coverage {
            Coverage::Whole => cause,
            Coverage::Partial => Cause::KeysUnavailable,
        }
    }

    /// Returns the public keys as a JSON Web Key Set. Shared secrets are left out.
    #[must_use]
    pub fn to_jwks_json(&self) -> String {
        let keys: Vec<String> = self.keys.iter().filter_map(VerifyingKey::to_jwk).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    /// Iterates over the keys, in the order in which they are tried.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter()
    }
}

impl FromIterator<VerifyingKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self {
            keys: keys.into_iter().collect(),
            coverage: Coverage::Whole,
        }
    }
}

impl From<VerifyingKey> for KeySet {
    fn from(key: VerifyingKey) -> Self {
        Self::from_iter([key])
    }
}

impl From<Secret> for KeySet {
    fn from(secret: Secret) -> Self {
        VerifyingKey::from(secret).into()
    }
}

impl From<KeyRing> for KeySet {
    fn from(ring: KeyRing) -> Self {
        ring.iter().cloned().map(VerifyingKey::from).collect()
    }
}
