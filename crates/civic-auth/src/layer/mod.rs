//! The tower layers: shells around functions that can be tested without them.

mod internal_headers;

pub use self::internal_headers::{InternalHeaders, InternalHeadersLayer, internal_headers};
