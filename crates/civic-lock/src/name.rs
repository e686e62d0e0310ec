//! The name of a lock, and the keys that follow from it.
//!
//! A name is 1 to 512 bytes of UTF-8 without `{`, `}` and control characters. Braces are refused
//! because a Redis Cluster hashes what stands between them: the keys of a lock would land
//! on different nodes, and no script could use them together.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

const MAX_BYTES: usize = 512;

/// A checked lock name.
///
/// Every function of this crate that takes a name takes a `&str` or a `String` as well. With serde
/// it is a string, which is checked when it is deserialized.
#[derive(Clone, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct LockName(Arc<str>);

impl LockName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Name`] if it is empty, longer than 512 bytes, or contains `{`, `}` or a
    /// control character.
    pub fn new(name: impl AsRef<str>) -> Result<Self, Error> {
        let name = name.as_ref();
        let refuse = |why: &str| Err(Error::new(ErrorKind::Name, why));
        if name.is_empty() {
            return refuse("it is empty");
        }
        if name.len() > MAX_BYTES {
            return refuse("it is longer than 512 bytes");
        }
        if name.contains(['{', '}']) {
            return refuse("it contains `{` or `}`, which Redis Cluster would hash by");
        }
        if name.chars().any(char::is_control) {
            return refuse("it contains a control character");
        }
        Ok(Self(name.into()))
    }

    /// Returns the name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `lock:<name>`, the key of the holder. The platform's Node services know it.
    #[must_use]
    pub fn key(&self) -> String {
        ["lock:", self.as_str()].concat()
    }

    /// Returns the name under which this one is stored in a namespace. It may be longer than a
    /// name that is given.
    pub(crate) fn within(&self, namespace: &str) -> Self {
        Self(format!("{namespace}:{}", self.0).into())
    }

    /// Returns `{lock:<name>}:fence`, the key of the last fencing token, in the same cluster slot.
    pub(crate) fn fence_key(&self) -> String {
        ["{lock:", self.as_str(), "}:fence"].concat()
    }

    /// Returns `{lock:<name>}:tick`, the key of what was done and claimed, in the same cluster
    /// slot.
    pub(crate) fn tick_key(&self) -> String {
        ["{lock:", self.as_str(), "}:tick"].concat()
    }

    /// Returns `{lock:<name>}:runs`, the key of the last runs of a job, in the same cluster slot.
    pub(crate) fn runs_key(&self) -> String {
        ["{lock:", self.as_str(), "}:runs"].concat()
    }

    /// Returns `{lock:<name>}:once`, the key of what became of an execution, in the same cluster
    /// slot.
    pub(crate) fn once_key(&self) -> String {
        ["{lock:", self.as_str(), "}:once"].concat()
    }

    /// Returns `{lock:<name>}:seen`, the key of the largest fence that was admitted, in the same
    /// cluster slot.
    pub(crate) fn seen_key(&self) -> String {
        ["{lock:", self.as_str(), "}:seen"].concat()
    }

    /// Returns `{lock:<name>}:hint`, the channel on which a release is announced.
    pub(crate) fn hint_channel(&self) -> String {
        ["{lock:", self.as_str(), "}:hint"].concat()
    }
}

impl fmt::Debug for LockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for LockName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for LockName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for LockName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::new(name)
    }
}

impl From<LockName> for String {
    fn from(name: LockName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl TryFrom<&str> for LockName {
    type Error = Error;

    fn try_from(name: &str) -> Result<Self, Error> {
        Self::new(name)
    }
}

impl TryFrom<String> for LockName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        Self::new(name)
    }
}

impl TryFrom<&String> for LockName {
    type Error = Error;

    fn try_from(name: &String) -> Result<Self, Error> {
        Self::new(name)
    }
}

impl From<&Self> for LockName {
    fn from(name: &Self) -> Self {
        name.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_split_the_keys_over_two_slots_are_refused() {
        for (name, why) in [
            ("", "empty"),
            ("a{b", "an opening brace"),
            ("a}b", "a closing brace"),
            ("{a}b", "a hash tag"),
            ("{}", "an empty hash tag"),
            ("a\nb", "a line break"),
            ("a\0b", "a zero byte"),
        ] {
            let error = LockName::new(name).expect_err(why);
            assert_eq!(error.kind(), ErrorKind::Name, "{why}");
        }
        assert!(LockName::new("x".repeat(512)).is_ok());
        assert!(LockName::new("x".repeat(513)).is_err());
    }

    #[test]
    fn a_name_is_a_checked_string_in_every_form() {
        let name = LockName::new("cron:nightly").expect("a valid name");
        assert_eq!("cron:nightly".parse::<LockName>().expect("valid"), name);
        assert_eq!(name.as_ref() as &str, "cron:nightly");
        let json = serde_json::to_string(&name).expect("a string");
        assert_eq!(json, r#""cron:nightly""#);
        assert_eq!(
            serde_json::from_str::<LockName>(&json).expect("valid"),
            name
        );
        for refused in [r#""""#, r#""a{b""#, r#""a\nb""#, "7"] {
            assert!(
                serde_json::from_str::<LockName>(refused).is_err(),
                "{refused}"
            );
        }
    }

    #[test]
    fn the_holder_key_is_the_one_that_node_peers_use() {
        let name = LockName::new("cron:penalty-calculation").expect("a valid name");
        assert_eq!(name.key(), "lock:cron:penalty-calculation");
        assert_eq!(name.fence_key(), "{lock:cron:penalty-calculation}:fence");
        assert_eq!(name.tick_key(), "{lock:cron:penalty-calculation}:tick");
        assert_eq!(name.hint_channel(), "{lock:cron:penalty-calculation}:hint");
    }
}
