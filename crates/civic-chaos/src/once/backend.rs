//! Which store it is, and how it keeps what it has acknowledged.

/// The kind of a store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Backend {
    Redis,
    Host,
}

/// How the server keeps what it has acknowledged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fsync {
    Always,
    /// Once per second, and a server that is killed loses the rest.
    EverySecond,
}

// ===== impl Backend =====

impl Backend {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Host => "host",
        }
    }
}

// ===== impl Fsync =====

impl Fsync {
    /// Returns the word of Redis' configuration.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySecond => "everysec",
        }
    }
}
