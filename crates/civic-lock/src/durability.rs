//! Whether a store keeps what it has acknowledged.

/// Whether a store keeps every write that it has acknowledged.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Durability {
    /// It does, as far as one server or one machine can: Redis with `appendonly yes` and
    /// `appendfsync always`, a service that waits for [`replica_acks`], or files, which are synced.
    ///
    /// [`replica_acks`]: crate::LockServiceBuilder::replica_acks
    Kept,
    /// It may lose the last writes when the server or its machine crashes.
    MayLose,
    /// The store does not answer, or does not say: the account may not be allowed to ask, or the
    /// server is one that has no such setting.
    Unknown,
}

impl Durability {
    /// Returns a stable name in `snake_case`, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::MayLose => "may_lose",
            Self::Unknown => "unknown",
        }
    }
}
