//! What may be executed under.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::name::LockName;

/// Stands before each key, so that a lock, a job or a Node peer of the same name is another lock.
const PREFIX: &str = "once:";

/// A checked key for [`LockService::once`](crate::LockService::once): 1 to 507 bytes of UTF-8
/// without `{`, `}` and control characters.
///
/// The lock that is held while the work runs has the name `once:<key>`. Every function of this
/// crate that takes a key takes a `&str` or a `String` as well. With serde it is a string, which is
/// checked when it is deserialized.
#[derive(Clone, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct OnceKey(LockName);

impl OnceKey {
    /// Checks a key.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Name`] if it is empty, longer than 507 bytes, or contains `{`, `}` or a
    /// control character.
    pub fn new(key: impl AsRef<str>) -> Result<Self, Error> {
        let key = key.as_ref();
        if key.is_empty() {
            return Err(Error::new(ErrorKind::Name, "it is empty"));
        }
        LockName::new(format!("{PREFIX}{key}")).map(Self)
    }

    /// Returns the key as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().strip_prefix(PREFIX).unwrap_or_default()
    }

    /// Returns the name of the lock that is held while the work runs: `once:<key>`.
    #[must_use]
    pub fn lock_name(&self) -> &LockName {
        &self.0
    }

    /// Returns the key whose lock has this name; `None` if it is the name of another lock.
    pub(crate) fn of_lock(name: &LockName) -> Option<Self> {
        let key = name.as_str().strip_prefix(PREFIX)?;
        (!key.is_empty()).then(|| Self(name.clone()))
    }
}

impl fmt::Debug for OnceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for OnceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AsRef<str> for OnceKey {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for OnceKey {
    type Err = Error;

    fn from_str(key: &str) -> Result<Self, Error> {
        Self::new(key)
    }
}

impl From<OnceKey> for String {
    fn from(key: OnceKey) -> Self {
        key.as_str().to_owned()
    }
}

impl TryFrom<&str> for OnceKey {
    type Error = Error;

    fn try_from(key: &str) -> Result<Self, Error> {
        Self::new(key)
    }
}

impl TryFrom<String> for OnceKey {
    type Error = Error;

    fn try_from(key: String) -> Result<Self, Error> {
        Self::new(key)
    }
}

impl TryFrom<&String> for OnceKey {
    type Error = Error;

    fn try_from(key: &String) -> Result<Self, Error> {
        Self::new(key)
    }
}

impl From<&Self> for OnceKey {
    fn from(key: &Self) -> Self {
        key.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_has_the_rules_of_a_lock_name_that_leaves_room_for_its_prefix() {
        assert!(OnceKey::new("x".repeat(507)).is_ok());
        let long = "x".repeat(508);
        for (key, why) in [
            ("", "empty"),
            (&long, "512"),
            ("a{b", "{"),
            ("a}b", "}"),
            ("a\nb", "control character"),
        ] {
            let error = OnceKey::new(key).expect_err(why);
            assert_eq!(error.kind(), ErrorKind::Name, "{why}");
            assert!(error.to_string().contains(why), "{error}");
            let json = serde_json::to_string(key).expect("a string");
            assert!(serde_json::from_str::<OnceKey>(&json).is_err(), "{why}");
        }
    }

    proptest! {
        #[test]
        fn a_key_comes_back_from_its_lock_and_from_json_and_no_other_lock_is_one(
            key in "[^{}\\p{Cc}]{1,60}",
        ) {
            let checked = OnceKey::new(&key).expect("a valid key");
            prop_assert_eq!(checked.as_str(), &key);
            prop_assert_eq!(checked.lock_name().key(), format!("lock:once:{key}"));
            prop_assert_eq!(OnceKey::of_lock(checked.lock_name()), Some(checked.clone()));
            let json = serde_json::to_string(&checked).expect("a string");
            let plain = serde_json::to_string(&key).expect("a string");
            prop_assert_eq!(&json, &plain);
            prop_assert_eq!(serde_json::from_str::<OnceKey>(&json).expect("valid"), checked);
            let other = LockName::new(format!("x{key}")).expect("a valid name");
            prop_assert_eq!(OnceKey::of_lock(&other), None);
        }
    }

    #[test]
    fn the_prefix_alone_is_no_key() {
        let name = LockName::new("once:").expect("a valid name");
        assert_eq!(OnceKey::of_lock(&name), None);
    }
}
