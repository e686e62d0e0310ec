//! What can be wrong when the process starts.

use std::fmt;

/// A configuration that cannot be used.
///
/// It is found when the process starts, never while a request is served. `Display` says what is
/// wrong and what to do, and never shows the value. `Debug` says the same, because that is what a
/// `main` that returns the error prints.
pub struct ConfigError {
    kind: ConfigErrorKind,
    variable: Option<Box<str>>,
}

/// What is wrong with the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// The environment variable is not set. Set it to the same value on every service.
    MissingSecret,
    /// The environment variable is not UTF-8. The platform's secrets are text.
    NotUnicode,
    /// The secret is empty. Set it to the same value on every service.
    EmptySecret,
    /// The secret is shorter than 32 bytes. Use a longer one, or
    /// [`Secret::allow_weak`](crate::Secret::allow_weak) if that is impossible.
    ShortSecret,
    /// The secret looks like a PEM key. Use random text: a Node peer would change the algorithm.
    PemSecret,
    /// The environment variable with a private key is not set.
    MissingKey,
    /// The key is not one that can be used here.
    InvalidKey,
    /// The keys are not a JSON Web Key Set of at most 64 KiB and 32 keys, none of them can be used,
    /// or two of them have one id.
    InvalidKeySet,
    /// The file with the keys cannot be read.
    UnreadableFile,
    /// The name of the trust domain is empty or not UTF-8.
    InvalidTrustDomain,
    /// The key id is not 1 to 64 characters of `[A-Za-z0-9_-]`.
    InvalidKeyId,
    /// The name of the cookie is not one that a cookie can have.
    InvalidCookieName,
    /// A trusted origin is not a scheme, a host and possibly a port.
    InvalidOrigin,
    /// The tolerance for clock differences is longer than 30 seconds. Correct the clocks instead.
    SkewTooLong,
}

// ===== impl ConfigError =====

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

    /// Returns what is wrong.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variable = self.variable.as_deref();
        let name = variable.unwrap_or("the secret");
        match self.kind {
            ConfigErrorKind::MissingSecret => write!(f, "{name} is not set")?,
            ConfigErrorKind::NotUnicode => write!(f, "{name} is not UTF-8 text")?,
            ConfigErrorKind::EmptySecret => write!(f, "{name} is empty")?,
            ConfigErrorKind::ShortSecret => write!(f, "{name} is shorter than 32 bytes")?,
            ConfigErrorKind::PemSecret => write!(
                f,
                "{name} looks like a PEM key, which would change the algorithm of Node services"
            )?,
            ConfigErrorKind::MissingKey => {
                return write!(
                    f,
                    "{} is not set. Set it to a private key in PEM, for example that of \
                     `civic key generate`",
                    variable.unwrap_or("the key's variable")
                );
            }
            ConfigErrorKind::InvalidKey => {
                return write!(
                    f,
                    "{} is not an Ed25519 or P-256 key in the expected form: make one with \
                     `civic key generate`, and its public half with `civic key public`",
                    variable.unwrap_or("the key")
                );
            }
            ConfigErrorKind::InvalidKeySet => {
                return f.write_str(
                    "the keys are not a JSON Web Key Set ({\"keys\":[…]}) of 1 to 32 keys that can \
                     be used, with different ids, in at most 64 KiB",
                );
            }
            ConfigErrorKind::UnreadableFile => {
                return f.write_str(
                    "the file with the keys cannot be read: check its path and its permissions",
                );
            }
            ConfigErrorKind::InvalidTrustDomain => {
                return write!(
                    f,
                    "{} is empty or not UTF-8 text: set it to the same name on every service, or \
                     remove it",
                    variable.unwrap_or("the trust domain")
                );
            }
            ConfigErrorKind::InvalidKeyId => {
                return f.write_str("a key id must be 1 to 64 characters of [A-Za-z0-9_-]");
            }
            ConfigErrorKind::InvalidCookieName => {
                return f.write_str(
                    "the name of the cookie has characters that a cookie's name cannot have: \
                     choose one of letters, digits and dashes",
                );
            }
            ConfigErrorKind::InvalidOrigin => {
                return f.write_str(
                    "a trusted origin is not a scheme, a host and possibly a port: write it as \
                     browsers send it, for example https://desk.town.example",
                );
            }
            ConfigErrorKind::SkewTooLong => {
                return f.write_str(
                    "the clock tolerance is longer than 30 seconds: choose a shorter one and \
                     correct the clocks",
                );
            }
        }
        let variable = variable.unwrap_or("JWT_SECRET");
        write!(
            f,
            ". Set it to the same value on every service, for example: \
             export {variable}=$(openssl rand -hex 32)"
        )
    }
}

impl std::error::Error for ConfigError {}
