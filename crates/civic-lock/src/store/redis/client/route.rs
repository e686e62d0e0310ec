//! Which server a command goes to.

/// Which server a command goes to.
#[derive(Debug)]
pub(crate) enum Route<'a, N> {
    /// The one that has this key.
    Key(&'a str),
    /// This one.
    Node(&'a N),
}
