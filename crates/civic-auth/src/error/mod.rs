//! What can be wrong: [`ConfigError`] when the process starts, [`AuthError`] when a request comes
//! in.

mod auth;
mod cause;
mod config;

pub use self::auth::{AuthError, AuthErrorKind};
pub use self::cause::Cause;
pub use self::config::{ConfigError, ConfigErrorKind};
