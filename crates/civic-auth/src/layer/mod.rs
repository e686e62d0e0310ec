//! The tower layers and their parts.
//!
//! Each layer is a thin shell around functions that can be tested without it. For a layer `XLayer`
//! there is a service, a response future and a response body where they are needed.

mod admission;
#[cfg(feature = "deadline")]
mod adopt_deadline;
mod audit;
mod auth;
mod auth_future;
mod body;
mod correlation_id;
mod drain;
mod guard;
mod internal_headers;
mod refusals;
mod require;
mod role;
mod tenant;
mod verdict;

#[cfg(feature = "deadline")]
#[cfg_attr(docsrs, doc(cfg(feature = "deadline")))]
pub use self::adopt_deadline::{AdoptDeadline, AdoptDeadlineFuture, AdoptDeadlineLayer};
pub use self::auth::{Auth, AuthLayer};
pub use self::auth_future::AuthFuture;
pub use self::body::AuthBody;
pub use self::correlation_id::{
    CorrelationIdBody, CorrelationIdFuture, CorrelationIdLayer, CorrelationIdService,
};
pub use self::internal_headers::{
    InternalHeaders, InternalHeadersFuture, InternalHeadersLayer, internal_headers,
};
pub use self::require::{Require, Requirement};
pub use self::role::RequireRoleLayer;
pub use self::tenant::RequireTenantLayer;
pub use self::verdict::VerdictFuture;
