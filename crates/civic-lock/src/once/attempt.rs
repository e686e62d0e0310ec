//! The view that work under `once` has of its execution.

use crate::lease::lease::Lease;

/// The view that work under [`once`](crate::LockService::once) has of its execution.
#[derive(Clone, Debug)]
pub struct OnceAttempt {
    lease: Lease,
    number: u32,
}

impl OnceAttempt {
    pub(crate) fn new(lease: Lease, number: u32) -> Self {
        Self { lease, number }
    }

    /// Returns the lease that the work runs under: check it before each side effect, and send its
    /// [fence](Lease::fence) with each write.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Returns how often the work was begun under this key, this time included. From 2 on, an
    /// earlier attempt has failed, or its holder is gone: look what it has left.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }
}
