//! The key ring: one key that mints, and those that are still believed.
//!
//! Rotation without a flag day, each step deployed everywhere before the next one:
//!
//! 1. every verifier gets `KeyRing::new(old).with_previous(new)`;
//! 2. every service gets `KeyRing::new(new).with_previous(old)`: minting changes over;
//! 3. as soon as the last token of the old key has expired, `KeyRing::new(new)`.
//!
//! A token without `kid` is tried against every key, the active one first. A token with `kid` is
//! tried against the keys of that id only; an id that is not in the ring is refused.

use super::secret::Secret;

/// One active secret, with which tokens are minted, and any number of previous ones, which are still accepted.
#[derive(Clone, Debug)]
pub struct KeyRing {
    active: Secret,
    previous: Vec<Secret>,
}

impl KeyRing {
    /// A ring with one secret.
    #[must_use]
    pub fn new(active: Secret) -> Self {
        Self {
            active,
            previous: Vec::new(),
        }
    }

    /// Adds a secret that is accepted but never used to mint.
    #[must_use]
    pub fn with_previous(mut self, secret: Secret) -> Self {
        self.previous.push(secret);
        self
    }

    pub(crate) fn active(&self) -> &Secret {
        &self.active
    }

    /// Every secret, the active one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.active).chain(&self.previous)
    }
}

impl From<Secret> for KeyRing {
    fn from(secret: Secret) -> Self {
        Self::new(secret)
    }
}
