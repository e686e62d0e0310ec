//! A mutex that does not know poison.

use std::sync::{self, MutexGuard, PoisonError};

/// A mutex that a panic does not lock for ever.
///
/// Use it where every change under the lock is one call: a panic cannot leave half of one behind,
/// so the value is as good after it as before.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
