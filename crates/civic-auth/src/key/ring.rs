//! The key ring: one key that mints, and the previous ones that are still accepted.
//!
//! A secret is rotated without a moment at which tokens are refused, if each step is deployed
//! everywhere before the next one begins:
//!
//! 1. Every service gets `KeyRing::new(old).with_previous(new)`: both secrets are accepted.
//! 2. Every service gets `KeyRing::new(new).with_previous(old)`: new tokens use the new secret.
//! 3. When the last token of the old secret has expired, every service gets `KeyRing::new(new)`.
//!
//! A token without `kid` is tried against every key, the active one first. A token with `kid` is
//! tried against the keys of that id and those without an id; if there are none, it is refused.

use super::secret::Secret;

/// One active secret, with which tokens are minted, and any number of previous ones.
///
/// Tokens of the previous secrets are still accepted.
#[derive(Clone, Debug)]
pub struct KeyRing {
    active: Secret,
    previous: Vec<Secret>,
}

impl KeyRing {
    /// Creates a ring with one secret, which mints and is accepted.
    #[must_use]
    pub fn new(active: Secret) -> Self {
        Self {
            active,
            previous: Vec::new(),
        }
    }

    /// Adds a secret that is accepted but never used to mint.
    ///
    /// Defaults to none.
    #[must_use]
    pub fn with_previous(mut self, secret: Secret) -> Self {
        self.previous.push(secret);
        self
    }

    pub(crate) fn active(&self) -> &Secret {
        &self.active
    }

    /// Iterates over every secret, the active one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.active).chain(&self.previous)
    }
}

impl From<Secret> for KeyRing {
    fn from(secret: Secret) -> Self {
        Self::new(secret)
    }
}
