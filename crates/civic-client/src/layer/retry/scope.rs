//! Which calls may be executed twice.

/// Which calls may be executed twice.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum RetryScope {
    /// Idempotent calls, as [`RetryPolicy`](crate::RetryPolicy) defines them.
    #[default]
    Idempotent,
    /// All calls, except those that the caller declared not idempotent. A peer that did the work of
    /// a POST and then answered 500 does the work again.
    AllMethods,
}
