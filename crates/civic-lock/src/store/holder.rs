//! The value that says who holds a lock.

use std::fmt;
use std::sync::Arc;

/// The value of the key: `<host>:<pid>:<uuid>:<n>`, new for each acquisition.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) struct Holder(Arc<str>);

impl Holder {
    pub(crate) fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
