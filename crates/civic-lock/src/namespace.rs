//! What keeps the locks of one deployment apart from those of another in one store.

use crate::error::Error;
use crate::name::LockName;

const MAX_BYTES: usize = 128;

/// A checked namespace: `lock:<namespace>:<name>` is the key of a lock. None by default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Namespace(Option<String>);

impl Namespace {
    pub(crate) fn new(namespace: &str) -> Result<Self, Error> {
        let why = if namespace.is_empty() {
            "is empty"
        } else if namespace.len() > MAX_BYTES {
            "is longer than 128 bytes"
        } else if namespace.contains([':', '{', '}']) {
            "contains `:`, `{` or `}`"
        } else if namespace.chars().any(char::is_control) {
            "contains a control character"
        } else {
            return Ok(Self(Some(namespace.to_owned())));
        };
        Err(Error::config(format!(
            "the namespace {why}: use a name such as staging or billing-test"
        )))
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The name under which a lock is stored.
    pub(crate) fn stored(&self, name: &LockName) -> LockName {
        match &self.0 {
            Some(namespace) => name.within(namespace),
            None => name.clone(),
        }
    }

    /// The name of a lock that is stored under this one; `None` if it is not in this namespace.
    pub(crate) fn given(&self, stored: &str) -> Option<LockName> {
        let name = match &self.0 {
            Some(namespace) => stored.strip_prefix(namespace.as_str())?.strip_prefix(':')?,
            None => stored,
        };
        LockName::new(name).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_would_mix_with_names_is_refused_in_words() {
        for refused in ["", "a:b", "a{b", "a}b", "a\nb", &"x".repeat(129)] {
            let error = Namespace::new(refused).expect_err(refused);
            assert!(error.to_string().contains("the namespace"), "{error}");
        }
    }

    #[test]
    fn a_name_comes_back_from_its_own_namespace_only() {
        let name = LockName::new("cron:nightly").expect("a valid name");
        let staging = Namespace::new("staging").expect("a valid namespace");
        let stored = staging.stored(&name);
        assert_eq!(stored.key(), "lock:staging:cron:nightly");
        assert_eq!(staging.given(stored.as_str()), Some(name.clone()));
        assert_eq!(staging.given("production:cron:nightly"), None);
        assert_eq!(staging.given("staging"), None);
        assert_eq!(Namespace::default().stored(&name), name);
    }
}
