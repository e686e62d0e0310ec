//! A set that the program replaces while it is used.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::set::KeySet;
use super::source::KeySource;

/// A set of keys that can be replaced while it is used. Clones are the same set.
///
/// ```
/// use civic_auth::{Algorithm, KeySet, SharedKeySet, SigningKey, TokenVerifier};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = SigningKey::from_pem(SigningKey::generate_pem(Algorithm::EdDsa)?.as_str())?;
/// # let public = key.public_key().ok_or("a shared secret has no public half")?;
/// let keys = SharedKeySet::new(KeySet::default());
/// let verifier = TokenVerifier::from_source(keys.clone());
///
/// keys.replace(KeySet::from(public.issued_by("billing")));
/// assert_eq!(verifier.keys().map(|keys| keys.iter().count()), Some(1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SharedKeySet(Arc<RwLock<Arc<KeySet>>>);

impl SharedKeySet {
    /// Creates a source of these keys.
    pub fn new(keys: impl Into<KeySet>) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(keys.into()))))
    }

    /// Replaces all keys. One that is not among the new ones is dead.
    pub fn replace(&self, keys: impl Into<KeySet>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys.into());
    }
}

impl KeySource for SharedKeySet {
    fn current(&self) -> Option<Arc<KeySet>> {
        Some(Arc::clone(
            &self.0.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

impl fmt::Debug for SharedKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedKeySet")
            .field(&self.current())
            .finish()
    }
}
