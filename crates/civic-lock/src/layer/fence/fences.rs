//! The fences of a request.

use crate::name::LockName;

/// The fences that a request came with, in its extensions. Put there by
/// [`FenceLayer`](super::FenceLayer), which has compared them.
///
/// Send each along with the write that it protects, and compare it there once more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fences(Vec<(LockName, u64)>);

impl Fences {
    pub(super) fn new(fences: Vec<(LockName, u64)>) -> Self {
        Self(fences)
    }

    /// Returns the fence of the lock with this name, if the request has one.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<u64> {
        self.iter()
            .find(|(lock, _)| lock.as_str() == name)
            .map(|(_, fence)| fence)
    }

    /// Returns each lock with its fence, in the order of the request.
    pub fn iter(&self) -> impl Iterator<Item = (&LockName, u64)> {
        self.0.iter().map(|(name, fence)| (name, *fence))
    }
}
