//! What the handler knows of its execution, and what it may say of it.

use crate::lease::lease::Lease;

/// The execution of a request with an `Idempotency-Key`, in the extensions of the request.
#[derive(Clone, Debug)]
pub struct Execution {
    key: String,
    lease: Lease,
    attempt: u32,
}

/// Declares, in the extensions of a response, that the handler has done nothing: the answer is not
/// stored, and the next request with the key is executed.
///
/// For errors that may be gone when the caller tries again, and only if there is no effect. With
/// axum, return it beside the error: `(Extension(NothingDone), failure)`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NothingDone;

impl Execution {
    pub(super) fn new(key: String, lease: Lease, attempt: u32) -> Self {
        Self {
            key,
            lease,
            attempt,
        }
    }

    /// Returns the name of the record: 64 hexadecimal digits, the same for each request with this
    /// key in this scope, and for no other one.
    ///
    /// An effect in a database is exact if this is written in its transaction, into a table where
    /// it is unique.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the lease under which the request is executed.
    ///
    /// It ends if the store is lost or an operator has decided otherwise. The execution goes on all
    /// the same: no one else executes the request meanwhile, unless an operator has freed the key.
    /// Compare its fence where that matters.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Returns how often the request was begun, this time included: more than 1 after
    /// [`NothingDone`], and after an operator has freed the key.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}
