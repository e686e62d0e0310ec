//! What can be wrong: [`ConfigError`] when the process starts, [`AuthError`] when a request comes
//! in, and [`MissingCredentials`] when one goes out.

mod auth;
mod cause;
mod config;
mod missing_credentials;

pub use self::auth::{AuthError, AuthErrorKind};
pub use self::cause::Cause;
pub use self::config::{ConfigError, ConfigErrorKind};
pub use self::missing_credentials::MissingCredentials;
