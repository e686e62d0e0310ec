//! What can be wrong: [`ConfigError`] when the process starts, [`AuthError`](crate::AuthError) when a request comes in.

use std::fmt;

/// A configuration that cannot be used. It is found when the process starts, never by a request.
///
/// Neither `Display` nor `Debug` shows the value.
#[derive(Debug)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    variable: Option<Box<str>>,
}

/// What is wrong with the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The environment variable is not set. Set it.
    MissingSecret,
    /// The environment variable is not UTF-8. The platform's secrets are text.
    NotUnicode,
    /// The secret is empty. Set it.
    EmptySecret,
    /// The secret is shorter than 32 bytes. Use a longer one; [`Secret::allow_weak`](crate::Secret::allow_weak) if that is impossible.
    ShortSecret,
    /// The secret looks like a PEM key. Use random text: a Node peer would change the algorithm.
    PemSecret,
    /// The key id is not 1 to 64 characters of `[A-Za-z0-9_-]`.
    InvalidKeyId,
    /// The tolerance for clock differences is longer than 30 seconds. Repair the clocks.
    SkewTooLong,
}

impl ConfigError {
    pub(crate) fn new(kind: ConfigErrorKind) -> Self {
        Self {
            kind,
            variable: None,
        }
    }

    pub(crate) fn in_variable(mut self, variable: &str) -> Self {
        self.variable = Some(variable.into());
        self
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = &self.variable {
            write!(f, "{variable}: ")?;
        }
        f.write_str(match self.kind {
            ConfigErrorKind::MissingSecret => "the secret is not set",
            ConfigErrorKind::NotUnicode => "the secret is not UTF-8",
            ConfigErrorKind::EmptySecret => "the secret is empty",
            ConfigErrorKind::ShortSecret => "the secret is shorter than 32 bytes",
            ConfigErrorKind::PemSecret => "the secret looks like a PEM key",
            ConfigErrorKind::InvalidKeyId => "a key id must be 1 to 64 characters of [A-Za-z0-9_-]",
            ConfigErrorKind::SkewTooLong => "the clock tolerance is longer than 30 seconds",
        })
    }
}

impl std::error::Error for ConfigError {}
