//! The tower layers: shells around functions that can be tested without them.

mod body;
mod correlation;
mod future;
mod guard;
mod internal_headers;
mod role;

pub use self::body::GuardBody;
pub use self::correlation::{Correlated, CorrelatedBody, CorrelatedFuture, CorrelationIdLayer};
pub use self::future::GuardFuture;
pub use self::guard::{Auth, AuthLayer};
pub use self::internal_headers::{InternalHeaders, InternalHeadersLayer, internal_headers};
pub use self::role::{RequireRole, RequireRoleLayer};
