//! The tower layers: shells around functions that can be tested without them.

mod auth;
mod body;
mod correlation_id;
mod future;
mod internal_headers;
mod role;

pub use self::auth::{Auth, AuthLayer};
pub use self::body::GuardBody;
pub use self::correlation_id::{Correlated, CorrelatedBody, CorrelatedFuture, CorrelationIdLayer};
pub use self::future::GuardFuture;
pub use self::internal_headers::{InternalHeaders, InternalHeadersLayer, internal_headers};
pub use self::role::{RequireRole, RequireRoleLayer};
