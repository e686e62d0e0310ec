//! Which server a command goes to.

/// Which server a command goes to.
#[derive(Debug)]
pub(crate) enum Route<'a, N> {
    /// The server that has this key.
    Key(&'a str),
    /// The server that is named here.
    Node(&'a N),
}
