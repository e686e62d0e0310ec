//! What a guard does while the store of used tokens cannot tell: the choice that has no default.

/// What becomes of a request while the store of used tokens cannot tell whether its token was used.
///
/// It is chosen where the [`ReplayProtection`](crate::ReplayProtection::new) is created, and has no
/// default: one choice can stop the service, and the other can let a captured request in. The enum
/// is exhaustive on purpose: there is no third choice.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OnStoreOutage {
    /// Answers 503 and `Retry-After: 1`. The request was not executed: a client repeats it.
    Refuse,
    /// Lets the request in, as without the protection. A warning says so, at most once per minute.
    Accept,
}
