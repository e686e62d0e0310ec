//! The keys that a verifier knows.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::jwk::Jwk;
use super::ring::KeyRing;
use super::secret::Secret;
use super::verifying::VerifyingKey;
use crate::error::{ConfigError, ConfigErrorKind};

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
    /// Shared secrets, keys for another use, of another kind or with an id of other characters, and
    /// those that cannot be read are ignored, as the RFC asks for. No key is bound, whatever the
    /// set says: bind each with [`VerifyingKey::issued_by`].
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidKeySet`] if it is not a set of at most 64 KiB and 32 keys, if it
    /// has no key that can be used, or if two keys have one id.
    pub fn from_jwks(json: &[u8]) -> Result<Self, ConfigError> {
        Self::read(json, |jwk| {
            Ok(Jwk::parse(jwk).and_then(|jwk| jwk.key()).ok().flatten())
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
        Ok(Self { keys })
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
        }
    }
}

impl From<VerifyingKey> for KeySet {
    fn from(key: VerifyingKey) -> Self {
        Self { keys: vec![key] }
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
