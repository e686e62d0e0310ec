//! Connections over TLS.

mod config;
mod identity;
mod refusal;

pub use self::config::TlsConfig;
pub use self::identity::ClientIdentity;
