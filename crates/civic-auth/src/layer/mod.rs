//! The tower layers and their parts.
//!
//! Each layer is a thin shell around functions that can be tested without it. For a layer `XLayer`
//! there is a service, a response future and a response body where they are needed.

mod auth;
mod body;
mod correlation_id;
mod future;
mod internal_headers;
mod role;

pub use self::auth::{Auth, AuthLayer};
pub use self::body::AuthBody;
pub use self::correlation_id::{
    CorrelationIdBody, CorrelationIdFuture, CorrelationIdLayer, CorrelationIdService,
};
pub use self::future::AuthFuture;
pub use self::internal_headers::{InternalHeaders, InternalHeadersLayer, internal_headers};
pub use self::role::{RequireRole, RequireRoleLayer};
