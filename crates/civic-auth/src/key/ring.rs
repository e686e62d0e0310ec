//! The key ring: one key that mints, and the previous ones that are still accepted.
//!
//! A secret is rotated without a moment at which tokens are refused, if each step is deployed
//! everywhere before the next one begins:
//!
//! 1. Every service gets `KeyRing::new(old).with_previous(new)`: both secrets are accepted.
//! 2. Every service gets `KeyRing::new(new).with_previous(old)`: new tokens use the new secret.
//! 3. When the last token of the old secret has expired, every service gets `KeyRing::new(new)`.
//!
//! A token without `kid` is tried against every key, the active one first. A token with `kid` is
//! tried against the keys of that id and those without an id; if there are none, it is refused.

use std::env;
use std::ffi::OsString;

use super::secret::Secret;
use super::signing::SigningKey;
use crate::error::ConfigError;

/// The variables of the platform, the first of which mints where both are set.
const VARIABLES: [&str; 2] = ["JWT_ACCESS_SECRET", "JWT_SECRET"];

/// The highest number of a variable with a previous secret.
const MAX_PREVIOUS: u32 = 16;

/// One active secret, with which tokens are minted, and any number of previous ones.
///
/// Tokens of the previous secrets are still accepted.
#[derive(Clone, Debug)]
pub struct KeyRing {
    active: Secret,
    previous: Vec<Secret>,
}

impl KeyRing {
    /// Creates a ring with one secret, which mints and is accepted.
    #[must_use]
    pub fn new(active: Secret) -> Self {
        Self {
            active,
            previous: Vec::new(),
        }
    }

    /// Adds a secret that is accepted but never used to mint.
    ///
    /// Defaults to none.
    #[must_use]
    pub fn with_previous(mut self, secret: Secret) -> Self {
        self.previous.push(secret);
        self
    }

    /// Reads the secrets of the platform's environment.
    ///
    /// `JWT_ACCESS_SECRET` mints, or else `JWT_SECRET`. If both are set and differ, both are
    /// accepted, and a warning names the one that mints. `JWT_SECRET_PREVIOUS`,
    /// `JWT_SECRET_PREVIOUS_2` and so on, to 16, are accepted too, and so are those of
    /// `JWT_ACCESS_SECRET`. A first one may also be called `…_PREVIOUS_1`.
    ///
    /// # Errors
    ///
    /// The errors of [`Secret::from_env`], for any of these variables. One that is set but empty is
    /// an error.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(|variable| env::var_os(variable))
    }

    fn from_variables(value: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let read = |variable: &str| {
            Secret::from_env_value(value(variable)).map_err(|error| error.in_variable(variable))
        };
        let mut set = VARIABLES
            .into_iter()
            .filter(|variable| value(variable).is_some());
        let active = set.next().unwrap_or(VARIABLES[1]);
        let mut ring = Self::new(read(active)?);
        if let Some(other) = set.next() {
            let secret = read(other)?;
            if secret.bytes() != ring.active.bytes() {
                tracing::warn!(
                    "{active} and {other} differ: {active} mints, and tokens of both are accepted"
                );
                ring = ring.with_previous(secret);
            }
        }
        for variable in VARIABLES {
            for number in 0..=MAX_PREVIOUS {
                let variable = match number {
                    0 => format!("{variable}_PREVIOUS"),
                    number => format!("{variable}_PREVIOUS_{number}"),
                };
                if value(&variable).is_some() {
                    ring = ring.with_previous(read(&variable)?);
                }
            }
        }
        Ok(ring)
    }

    pub(crate) fn active(&self) -> &Secret {
        &self.active
    }

    /// Iterates over every secret, the active one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.active).chain(&self.previous)
    }
}

impl From<Secret> for KeyRing {
    fn from(secret: Secret) -> Self {
        Self::new(secret)
    }
}

impl From<KeyRing> for SigningKey {
    fn from(ring: KeyRing) -> Self {
        ring.active().clone().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ConfigErrorKind;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const C: &str = "cccccccccccccccccccccccccccccccc";

    fn ring(variables: &[(&str, &str)]) -> Result<Vec<Vec<u8>>, (ConfigErrorKind, String)> {
        KeyRing::from_variables(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| OsString::from(value))
        })
        .map(|ring| ring.iter().map(|secret| secret.bytes().to_vec()).collect())
        .map_err(|error| (error.kind(), error.to_string()))
    }

    #[test]
    fn the_first_secret_of_the_environment_mints_and_all_of_them_are_accepted() {
        for (name, variables, expected) in [
            ("one", &[("JWT_SECRET", A)][..], &[A][..]),
            ("access", &[("JWT_ACCESS_SECRET", A)], &[A]),
            (
                "both, the same",
                &[("JWT_SECRET", A), ("JWT_ACCESS_SECRET", A)],
                &[A],
            ),
            (
                "both",
                &[("JWT_SECRET", A), ("JWT_ACCESS_SECRET", B)],
                &[B, A],
            ),
            (
                "previous ones, with a gap",
                &[
                    ("JWT_SECRET", A),
                    ("JWT_SECRET_PREVIOUS", B),
                    ("JWT_SECRET_PREVIOUS_3", C),
                ],
                &[A, B, C],
            ),
            (
                "previous ones, counted from 1",
                &[
                    ("JWT_SECRET", A),
                    ("JWT_SECRET_PREVIOUS_1", B),
                    ("JWT_SECRET_PREVIOUS_16", C),
                ],
                &[A, B, C],
            ),
            (
                "of the other name",
                &[("JWT_SECRET", A), ("JWT_ACCESS_SECRET_PREVIOUS", B)],
                &[A, B],
            ),
        ] {
            let expected: Vec<_> = expected.iter().map(|key| key.as_bytes().to_vec()).collect();
            assert_eq!(ring(variables), Ok(expected), "{name}");
        }
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_an_error_that_names_it() {
        for (variables, kind, name) in [
            (&[][..], ConfigErrorKind::MissingSecret, "JWT_SECRET"),
            (
                &[("JWT_ACCESS_SECRET", ""), ("JWT_SECRET", A)],
                ConfigErrorKind::EmptySecret,
                "JWT_ACCESS_SECRET",
            ),
            (
                &[("JWT_SECRET", A), ("JWT_SECRET_PREVIOUS_2", "")],
                ConfigErrorKind::EmptySecret,
                "JWT_SECRET_PREVIOUS_2",
            ),
            (
                &[("JWT_SECRET", A), ("JWT_ACCESS_SECRET_PREVIOUS", "short")],
                ConfigErrorKind::ShortSecret,
                "JWT_ACCESS_SECRET_PREVIOUS",
            ),
        ] {
            let (found, message) = ring(variables).unwrap_err();
            assert_eq!(found, kind, "{name}");
            assert!(message.starts_with(name), "{message}");
        }
    }
}
