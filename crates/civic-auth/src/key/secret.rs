//! The shared secret: checked when the process starts, never printed.
//!
//! A [`Secret`] exists only if it can be used safely. Refused are
//!
//! 1. a variable that is not set, or whose value is not UTF-8;
//! 2. an empty secret;
//! 3. a secret that contains `-----BEGIN`: a Node peer would treat it as a PEM key and change the
//!    algorithm;
//! 4. a secret shorter than 32 bytes ([RFC 7518 section 3.2]), unless it was made by
//!    [`Secret::allow_weak`].
//!
//! The bytes are kept as they are. White space at either end is part of the key on Node, so it is
//! part of the key here; a warning says so, because it is more often a mistake in a file than
//! intended.
//!
//! The memory is overwritten when the last clone is dropped. It is *not* promised that the
//! environment of the process, from which the secret came, is overwritten.
//!
//! [RFC 7518 section 3.2]: https://www.rfc-editor.org/rfc/rfc7518#section-3.2

use std::ffi::OsString;
use std::sync::Arc;
use std::{env, fmt};

use zeroize::Zeroizing;

use crate::error::{ConfigError, ConfigErrorKind};

/// The length of the shortest secret that is as strong as HS256 itself: the output size of SHA-256
/// (RFC 7518 section 3.2).
pub(crate) const MIN_SECRET_BYTES: usize = 32;

/// The length of the longest key id.
pub(crate) const MAX_KEY_ID_BYTES: usize = 64;

/// A secret that all services of the fleet share (`JWT_SECRET`).
///
/// `Debug` prints `[redacted]`. Clones share the memory, which is zeroized when the last of them is
/// dropped. What is refused is listed in the [crate's documentation](crate#secrets).
#[derive(Clone)]
pub struct Secret {
    bytes: Arc<Zeroizing<Vec<u8>>>,
    id: Option<Arc<str>>,
}

impl Secret {
    /// Creates a secret from bytes, which are kept as they are.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::EmptySecret`], [`ConfigErrorKind::PemSecret`], and
    /// [`ConfigErrorKind::ShortSecret`] below 32 bytes.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let bytes = bytes.as_ref();
        if !bytes.is_empty() && bytes.len() < MIN_SECRET_BYTES && !looks_like_pem(bytes) {
            return Err(ConfigError::new(ConfigErrorKind::ShortSecret));
        }
        Self::allow_weak(bytes)
    }

    /// Creates a secret from bytes that may be fewer than 32.
    ///
    /// This is for peers whose secret cannot be changed yet. A short secret can be guessed offline
    /// from one captured token.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::EmptySecret`] and [`ConfigErrorKind::PemSecret`], which cannot be
    /// allowed.
    pub fn allow_weak(bytes: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let bytes = bytes.as_ref();
        if bytes.is_empty() {
            return Err(ConfigError::new(ConfigErrorKind::EmptySecret));
        }
        if looks_like_pem(bytes) {
            return Err(ConfigError::new(ConfigErrorKind::PemSecret));
        }
        if bytes.first().is_some_and(u8::is_ascii_whitespace)
            || bytes.last().is_some_and(u8::is_ascii_whitespace)
        {
            tracing::warn!(
                "the secret begins or ends with white space, which is part of the key; remove it \
                 if it is not intended"
            );
        }
        Ok(Self {
            bytes: Arc::new(Zeroizing::new(bytes.to_vec())),
            id: None,
        })
    }

    /// Reads the secret from an environment variable, `JWT_SECRET` on the platform.
    ///
    /// # Errors
    ///
    /// The errors of [`Secret::new`], [`ConfigErrorKind::MissingSecret`] if the variable is not
    /// set, and [`ConfigErrorKind::NotUnicode`] if it is not UTF-8. The error names the variable.
    pub fn from_env(variable: &str) -> Result<Self, ConfigError> {
        Self::from_env_value(env::var_os(variable)).map_err(|error| error.in_variable(variable))
    }

    pub(super) fn from_env_value(value: Option<OsString>) -> Result<Self, ConfigError> {
        let value = value.ok_or_else(|| ConfigError::new(ConfigErrorKind::MissingSecret))?;
        match value.into_string() {
            Ok(value) => Self::new(Zeroizing::new(value.into_bytes())),
            Err(value) => {
                drop(Zeroizing::new(value.into_encoded_bytes()));
                Err(ConfigError::new(ConfigErrorKind::NotUnicode))
            }
        }
    }

    /// Names this secret, so that tokens say which key made them (`kid`).
    ///
    /// A verifier whose keys have no id tries them with any `kid`, so minters and verifiers may get
    /// their ids in any order. A verifier that has the secret under another id, and no key without
    /// one, refuses the token.
    ///
    /// Defaults to no id: a token then has the same bytes as the platform's.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::InvalidKeyId`] unless the id is 1 to 64 characters of `[A-Za-z0-9_-]`.
    pub fn with_id(mut self, id: &str) -> Result<Self, ConfigError> {
        if !is_key_id(id) {
            return Err(ConfigError::new(ConfigErrorKind::InvalidKeyId));
        }
        self.id = Some(id.into());
        Ok(self)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// Returns whether Node would find a PEM key: its parser skips whatever precedes the marker.
fn looks_like_pem(bytes: &[u8]) -> bool {
    const MARKER: &[u8] = b"-----BEGIN";
    bytes.windows(MARKER.len()).any(|window| window == MARKER)
}

pub(crate) fn is_key_id(id: &str) -> bool {
    (1..=MAX_KEY_ID_BYTES).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(result: Result<Secret, ConfigError>) -> ConfigErrorKind {
        result.expect_err("must be refused").kind()
    }

    #[test]
    fn a_secret_of_31_bytes_is_refused_and_one_of_32_is_not() {
        assert_eq!(kind(Secret::new([b'k'; 31])), ConfigErrorKind::ShortSecret);
        for length in [32, 64, 65, 1000] {
            assert_eq!(
                Secret::new(vec![b'k'; length]).unwrap().bytes().len(),
                length
            );
        }
    }

    #[test]
    fn allow_weak_takes_a_short_secret_but_neither_an_empty_one_nor_pem() {
        assert_eq!(Secret::allow_weak("short").unwrap().bytes(), b"short");
        assert_eq!(kind(Secret::allow_weak("")), ConfigErrorKind::EmptySecret);
        assert_eq!(
            kind(Secret::allow_weak("-----BEGIN")),
            ConfigErrorKind::PemSecret
        );
    }

    #[test]
    fn an_empty_secret_is_refused() {
        assert_eq!(kind(Secret::new("")), ConfigErrorKind::EmptySecret);
    }

    #[test]
    fn a_secret_that_looks_like_pem_is_refused_wherever_the_marker_is() {
        let key = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";
        for text in [
            key.to_owned(),
            format!("\n  {key}"),
            format!("a comment before it\n{key}"),
        ] {
            assert_eq!(
                kind(Secret::new(&text)),
                ConfigErrorKind::PemSecret,
                "{text:?}"
            );
        }
    }

    #[test]
    fn white_space_is_part_of_the_secret() {
        let text = "  leading and trailing spaces are part of it  \n";
        assert_eq!(Secret::new(text).unwrap().bytes(), text.as_bytes());
    }

    #[test]
    fn a_variable_that_is_missing_or_not_utf_8_is_refused_and_named() {
        assert_eq!(
            kind(Secret::from_env_value(None)),
            ConfigErrorKind::MissingSecret
        );
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt as _;
            let value = OsString::from_vec([&[b'k'; 40][..], &[0xff]].concat());
            assert_eq!(
                kind(Secret::from_env_value(Some(value))),
                ConfigErrorKind::NotUnicode
            );
        }
        let error = Secret::from_env("CIVIC_AUTH_NO_SUCH_VARIABLE").unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::MissingSecret);
        assert!(
            error.to_string().contains("CIVIC_AUTH_NO_SUCH_VARIABLE"),
            "{error}"
        );
    }

    #[test]
    fn a_key_id_is_a_short_plain_name() {
        let secret = Secret::new([b'k'; 32]).unwrap();
        assert_eq!(
            secret.clone().with_id("2026-11_a").unwrap().id(),
            Some("2026-11_a")
        );
        for id in [
            "",
            "a b",
            "../../dev/null",
            "' OR 1=1",
            "é",
            "a\0",
            &"a".repeat(65),
        ] {
            assert_eq!(
                kind(secret.clone().with_id(id)),
                ConfigErrorKind::InvalidKeyId,
                "{id:?}"
            );
        }
    }
}
