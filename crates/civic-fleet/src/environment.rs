//! The settings of a service, parsed from its environment once at start-up.
//!
//! | variable | meaning |
//! |---|---|
//! | `JWT_SECRET` | the platform's key, 32 bytes or more. Required |
//! | `PORT` | the port to listen on; 0 chooses a free one. Defaults to the service's own |
//! | `HOST` | the address to listen on. Defaults to `127.0.0.1` |
//! | `ASSESSMENT_ROLL_URL` | where `billing` finds its peer. Defaults to `http://localhost:3020` |
//! | `CIVIC_DRAIN_DELAY_MS` | for how long connections are still accepted when a service stops. Defaults to 5000 |
//! | `CIVIC_REPLAY_PROTECTION` | `refuse` or `accept`: `billing` accepts each service token that has a `jti` once, and does this while its store does not answer. Defaults to accepting tokens again |
//! | `REDIS_URL` | where `billing` keeps its idempotency keys, see `LockService::from_env`. Without it: files of this machine, and in production no start |
//! | `NODE_ENV` | `production` makes a failed validation of an answer a warning |
//! | `RUST_LOG` | what is logged on stderr. Defaults to `info` |

use std::error::Error;
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, io};

use civic_auth::{
    AuthLayer, KeyRing, OnStoreOutage, ReplayProtection, ReplayStore, TokenMinter, TokenVerifier,
};
use civic_server::Service;

/// The settings that the process was started with.
#[derive(Debug)]
pub(crate) struct Environment {
    secrets: KeyRing,
    host: String,
    port: Option<u16>,
    drain_delay: Option<Duration>,
    on_store_outage: Option<OnStoreOutage>,
}

/// Why a command ended in failure.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The environment or the command line is wrong, and the operator has to change it. Exit code
    /// 2.
    Config(String),
    /// The system refused: a port that is taken, say. Exit code 1.
    System(io::Error),
}

// ===== impl Environment =====

impl Environment {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// Fails if a variable is missing or cannot be read. The error names it and never shows a
    /// secret.
    pub(crate) fn read() -> Result<Self, StartError> {
        let port = number("PORT", "a number from 0 to 65535")?;
        let drain_delay = number("CIVIC_DRAIN_DELAY_MS", "a number of milliseconds")?;
        Ok(Self {
            secrets: secrets()?,
            host: std::env::var("HOST").unwrap_or_else(|_| "127.0.0.1".to_owned()),
            port,
            drain_delay: drain_delay.map(Duration::from_millis),
            on_store_outage: on_store_outage()?,
        })
    }

    /// Returns a service without routes, behind the platform's guard.
    ///
    /// # Errors
    ///
    /// Fails if no route can have this prefix.
    pub(crate) fn service(&self, prefix: &str) -> Result<Service, StartError> {
        let guard = AuthLayer::new(self.verifier());
        Service::new(prefix, guard).map_err(|error| StartError::refused(&error))
    }

    /// Returns a service without routes, behind the platform's guard, which accepts each service
    /// token once if the environment says so.
    ///
    /// # Errors
    ///
    /// Fails if no route can have this prefix.
    pub(crate) fn service_that_remembers_tokens(
        &self,
        prefix: &str,
        store: impl ReplayStore + 'static,
    ) -> Result<Service, StartError> {
        let mut guard = AuthLayer::new(self.verifier());
        if let Some(choice) = self.on_store_outage {
            guard = guard.with_replay_protection(ReplayProtection::new(store, choice));
        }
        Service::new(prefix, guard).map_err(|error| StartError::refused(&error))
    }

    fn verifier(&self) -> TokenVerifier {
        TokenVerifier::new(self.secrets.clone())
    }

    pub(crate) fn minter(&self) -> TokenMinter {
        TokenMinter::new(self.secrets.clone())
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self, default: u16) -> u16 {
        self.port.unwrap_or(default)
    }

    pub(crate) fn drain_delay(&self) -> Option<Duration> {
        self.drain_delay
    }
}

/// Reads a number. An empty variable is one that is not set.
fn number<T: FromStr>(name: &str, expected: &str) -> Result<Option<T>, StartError> {
    match std::env::var(name) {
        Err(std::env::VarError::NotPresent) => Ok(None),
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => text
            .parse()
            .map(Some)
            .map_err(|_| StartError::config(format!("{name} must be {expected}, not {text:?}"))),
        Err(error) => Err(StartError::config(format!("{name}: {error}"))),
    }
}

/// Reads whether used tokens are remembered, and what happens while that is not possible.
fn on_store_outage() -> Result<Option<OnStoreOutage>, StartError> {
    match std::env::var("CIVIC_REPLAY_PROTECTION").as_deref() {
        Err(std::env::VarError::NotPresent) | Ok("") => Ok(None),
        Ok("refuse") => Ok(Some(OnStoreOutage::Refuse)),
        Ok("accept") => Ok(Some(OnStoreOutage::Accept)),
        Ok(_) | Err(std::env::VarError::NotUnicode(_)) => Err(StartError::config(
            "CIVIC_REPLAY_PROTECTION must be `refuse` or `accept`, which is what happens to a \
             request while the store of used tokens does not answer",
        )),
    }
}

/// Reads the platform's secrets.
fn secrets() -> Result<KeyRing, StartError> {
    KeyRing::from_env().map_err(|error| StartError::refused(&error))
}

/// Writes an error and its causes on one line. No `Display` of these crates repeats its source.
fn chain(error: &dyn Error) -> String {
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
    pub(crate) fn config(reason: impl fmt::Display) -> Self {
        Self::Config(reason.to_string())
    }

    /// The configuration was refused by a library, with its reasons.
    pub(crate) fn refused(error: &dyn Error) -> Self {
        Self::Config(chain(error))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(reason) => f.write_str(reason),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
