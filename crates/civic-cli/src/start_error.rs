//! Why a command could not do its work at all.

use std::error::Error;
use std::process::ExitCode;
use std::{fmt, io};

use civic_auth::KeyRing;
use civic_lock::ErrorKind;

/// Why a command ended before its work began, or could not go on.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The environment or the command line is wrong; the operator has to change it. Exit code 2.
    Config(String),
    /// The lock store could not be asked, or does not know what was asked for. Exit code 1.
    Store(String),
    /// Another service could not be asked, or has answered something else. Exit code 1.
    Peer(String),
    /// The system refused: a file that cannot be written, say. Exit code 1.
    System(io::Error),
}

/// Reads the secrets that all services share.
pub(crate) fn secrets() -> Result<KeyRing, StartError> {
    KeyRing::from_env().map_err(|error| StartError::refused(&error))
}

/// Writes an error and its causes on one line. No `Display` of these crates repeats its source.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

// ===== impl StartError =====

impl StartError {
    /// The configuration was refused by a library, with its reasons.
    pub(crate) fn refused(error: &dyn Error) -> Self {
        Self::Config(chain(error))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Config(_) => 2,
            Self::Store(_) | Self::Peer(_) | Self::System(_) => 1,
        })
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(reason) | Self::Store(reason) | Self::Peer(reason) => f.write_str(reason),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl Error for StartError {}

impl From<civic_lock::Error> for StartError {
    fn from(error: civic_lock::Error) -> Self {
        match error.kind() {
            ErrorKind::Config | ErrorKind::Name => Self::refused(&error),
            _ => Self::Store(chain(&error)),
        }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
