#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod claims;
mod clock;
mod context;
mod correlation;
mod crypto;
mod error;
mod key_ring;
mod layer;
mod mint;
mod role;
mod secret;
mod token;

pub use self::claims::UserClaims;
pub use self::clock::{Clock, SystemClock};
pub use self::context::{Context, Scoped};
pub use self::correlation::{CORRELATION_ID, CorrelationId, InvalidCorrelationId};
pub use self::error::{ConfigError, ConfigErrorKind};
pub use self::key_ring::KeyRing;
pub use self::layer::{InternalHeaders, InternalHeadersLayer, internal_headers};
pub use self::mint::TokenMinter;
pub use self::role::{Role, RoleClaim, UnknownRole};
pub use self::secret::Secret;
pub use self::token::Token;
