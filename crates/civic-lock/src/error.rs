//! Why a lock could not be decided, or a setting was refused.
//!
//! An [`Error`] never means that another holder has the lock: that is
//! [`Outcome::Busy`](crate::Outcome::Busy). Its text never contains a URL, a user or a password.

use std::convert::Infallible;
use std::fmt;
use std::time::Duration;

/// What went wrong between this process and the store, or in a setting.
pub struct Error(Box<Repr>);

struct Repr {
    kind: ErrorKind,
    detail: String,
    sent: Sent,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Whether the command can have reached the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sent {
    /// It was never sent: the store has done nothing, and there is nothing to undo.
    Never,
    /// It was sent, or it may have been.
    Maybe,
}

/// What went wrong, and so what the caller should do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is wrong: a URL, a duration, a folder that other users can write to. It will not
    /// work until it is changed.
    Config,
    /// A lock name is empty, too long, or contains a brace or a control character. It will not work
    /// until it is changed.
    Name,
    /// The store did not answer within the command timeout. It may have acted; the library undoes
    /// what it may have done.
    Timeout,
    /// There is no connection to the store, or it broke. If the command was sent, the store may
    /// have acted, and the library undoes what it may have done; [`Error::is_ambiguous`] tells the
    /// two apart.
    Connection,
    /// The store's answer does not belong to the command. The connection was dropped, and the
    /// library undoes what may have been done.
    Corrupt,
    /// A key or a file of the lock holds something that is not a lock. No one gets the lock until
    /// it is removed.
    WrongType,
    /// The store refused, for the reason in the text: no login, no permission, out of memory,
    /// read-only, loading, busy with a script, too many clients, a slot of a Cluster that is
    /// moving. No lock was acquired: if the server were to end a script half-way, the key of the
    /// lock is what the script writes last.
    Refused,
    /// The command reached the store after its caller had given up, and did nothing.
    Expired,
    /// The store knows no job of that name. Nothing was done.
    UnknownJob,
    /// Fewer replicas than configured have acknowledged the lock, which was released, or a recorded
    /// result, which a failover may lose.
    NotReplicated,
    /// The execution under [`once`](crate::LockService::once) is not this holder's any more:
    /// another one has begun it since, an operator has ended it, or its record is gone. Nothing was
    /// recorded.
    Lost,
    /// The result has more bytes than are recorded. Nothing was recorded.
    TooLarge,
    /// The recorded result is not of the type that was asked for.
    Unreadable,
}

impl ErrorKind {
    /// Returns a stable name in `snake_case`, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Name => "name",
            Self::Timeout => "timeout",
            Self::Connection => "connection",
            Self::Corrupt => "corrupt",
            Self::WrongType => "wrong_type",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::NotReplicated => "not_replicated",
            Self::UnknownJob => "unknown_job",
            Self::Lost => "lost",
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self(Box::new(Repr {
            kind,
            detail: detail.into(),
            sent: Sent::Maybe,
            source: None,
        }))
    }

    pub(crate) fn config(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, detail)
    }

    /// Names the environment variable that the refused setting came from.
    pub(crate) fn in_variable(mut self, variable: &str) -> Self {
        self.0.detail = format!("{variable}: {}", self.0.detail);
        self
    }

    pub(crate) fn timeout(after: Duration) -> Self {
        Self::new(ErrorKind::Timeout, format!("no answer within {after:?}"))
    }

    /// There is no runtime to send anything.
    pub(crate) fn no_runtime() -> Self {
        Self::new(
            ErrorKind::Config,
            "there is no Tokio runtime here. Call it from a task of a runtime",
        )
        .never_sent()
    }

    /// Marks the error of a command that was not sent.
    pub(crate) fn never_sent(mut self) -> Self {
        self.0.sent = Sent::Never;
        self
    }

    /// The runtime ended before the answer came.
    pub(crate) fn runtime_shutdown() -> Self {
        Self::new(ErrorKind::Connection, "the runtime is shutting down")
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Returns what went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns whether the store may have done what was asked, although no valid answer arrived.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.0.sent == Sent::Maybe
            && matches!(
                self.0.kind,
                ErrorKind::Timeout | ErrorKind::Connection | ErrorKind::Corrupt
            )
    }
}

/// The text and those of its causes: what a `main` that returns the error prints. `{:#?}` shows the
/// fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f
                .debug_struct("Error")
                .field("kind", &self.0.kind)
                .field("detail", &self.0.detail)
                .field("source", &self.0.source)
                .finish();
        }
        fmt::Display::fmt(self, f)?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.0.kind {
            ErrorKind::Config => "invalid setting",
            ErrorKind::Name => "invalid lock name",
            ErrorKind::Timeout => "the lock store did not answer in time",
            ErrorKind::Connection => "no connection to the lock store",
            ErrorKind::Corrupt => "the answer of the lock store does not belong to the command",
            ErrorKind::WrongType => "the key of the lock holds something that is not a lock",
            ErrorKind::Refused => "the lock store refused",
            ErrorKind::Expired => "the command reached the lock store too late",
            ErrorKind::UnknownJob => "unknown job",
            ErrorKind::NotReplicated => "too few replicas acknowledged it",
            ErrorKind::Lost => "the execution is not this holder's any more",
            ErrorKind::TooLarge => "the result is too large to be recorded",
            ErrorKind::Unreadable => "the recorded result is of another type",
        };
        if self.0.detail.is_empty() {
            f.write_str(what)
        } else {
            write!(f, "{what}: {}", self.0.detail)
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
