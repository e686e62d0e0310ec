#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

#[cfg(feature = "axum")]
mod axum;
mod clock;
mod context;
mod correlation_id;
mod error;
mod jwt;
mod key;
mod key_set;
pub mod layer;
mod mint;
mod person;
mod replay;
mod role;
mod txn;
mod verify;

#[doc(inline)]
pub use civic_envelope::{CORRELATION_ID, CorrelationId, InvalidCorrelationId};

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::axum::PrincipalRejection;
pub use self::context::{RequestContext, Scoped};
pub use self::correlation_id::{new_correlation_id, uuid_correlation_id};
pub use self::error::{
    AuthError, AuthErrorKind, Cause, ConfigError, ConfigErrorKind, MissingCredentials,
};
pub use self::key::{
    Algorithm, KeyFile, KeyRefresh, KeyRing, KeySet, KeySource, KeySources, PrivatePem, Profile,
    Reload, Secret, SharedKeySet, SigningKey, VerifyingKey,
};
pub use self::key_set::{KeySetBody, KeySetService};
#[cfg(feature = "deadline")]
#[cfg_attr(docsrs, doc(cfg(feature = "deadline")))]
#[doc(inline)]
pub use self::layer::AdoptDeadlineLayer;
#[doc(inline)]
pub use self::layer::{
    AuthLayer, CorrelationIdLayer, InternalHeadersLayer, RequireRoleLayer, RequireTenantLayer,
    internal_headers,
};
pub use self::mint::{Token, TokenMinter, UserClaims};
pub use self::replay::{
    MemoryReplayStore, OnStoreOutage, ReplayProtection, ReplayStore, ReplayStoreError, TokenUse,
    UsedToken,
};
pub use self::role::{Role, RoleClaim, UnknownRole};
pub use self::txn::{OnBehalfOf, TransactionTokens};
pub use self::verify::{CookieRules, Inspection, Principal, Rule, RuleOutcome, TokenVerifier};
