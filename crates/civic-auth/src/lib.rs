#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

#[cfg(feature = "axum")]
mod axum;
mod claims;
mod clock;
mod compact;
mod context;
mod correlation_id;
mod crypto;
mod error;
mod header;
mod inspect;
mod json;
mod key_ring;
mod layer;
mod mint;
mod payload;
mod principal;
mod role;
mod rules;
mod secret;
mod source;
mod token;
mod verify;

#[doc(inline)]
pub use civic_envelope::{CORRELATION_ID, CorrelationId, InvalidCorrelationId};

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::axum::PrincipalRejection;
pub use self::claims::UserClaims;
pub use self::clock::{Clock, SystemClock};
pub use self::context::{RequestContext, Scoped};
pub use self::correlation_id::new_correlation_id;
pub use self::error::{AuthError, AuthErrorKind, Cause, ConfigError, ConfigErrorKind};
pub use self::inspect::{Inspection, Rule, RuleOutcome};
pub use self::key_ring::KeyRing;
pub use self::layer::{
    Auth, AuthLayer, Correlated, CorrelatedBody, CorrelatedFuture, CorrelationIdLayer, GuardBody,
    GuardFuture, InternalHeaders, InternalHeadersLayer, RequireRole, RequireRoleLayer,
    internal_headers,
};
pub use self::mint::TokenMinter;
pub use self::principal::Principal;
pub use self::role::{Role, RoleClaim, UnknownRole};
pub use self::secret::Secret;
pub use self::token::Token;
pub use self::verify::TokenVerifier;
