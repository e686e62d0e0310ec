//! What an operator lists.

/// What is listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Listing {
    /// The locks that may be held.
    Locks,
    /// The jobs that are registered.
    Jobs,
    /// The executions that have a record.
    Executions,
}
