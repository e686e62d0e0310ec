//! The tower layers that the standard stack adds to those of civic-auth, civic-envelope and
//! tower-http.

mod body;
mod error_shape;
mod future;

pub use self::body::ErrorShapeBody;
pub use self::error_shape::{ErrorShape, ErrorShapeLayer};
pub use self::future::ErrorShapeFuture;
