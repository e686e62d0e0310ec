//! What became of an attempt to break a lock.

/// What became of an attempt to break a lock.
///
/// Exhaustive on purpose: a lock is broken, or it is not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BreakOutcome {
    /// The lock is free. Its holder is told when it renews its lease, within a third of its ttl.
    Broken {
        /// No fencing token up to this one is valid any more: every later holder has a larger one.
        fence: u64,
    },
    /// The lock has another holder than the one that was named, and was not touched.
    OtherHolder {
        /// Its holder now.
        holder: String,
    },
    /// No one held the lock.
    Free,
}
