#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod fallback;
mod json;
pub mod layer;
mod number;
mod path;
mod query;
mod server;
mod service;
mod shutdown;
#[cfg(feature = "garde")]
mod valid_json;

#[doc(no_inline)]
pub use civic_envelope::Failure;

pub use self::json::{Json, JsonText};
#[doc(no_inline)]
pub use self::layer::ErrorShapeLayer;
pub use self::number::serialize_number;
pub use self::path::Path;
pub use self::query::Query;
pub use self::server::Server;
pub use self::service::{InvalidPrefix, Service};
pub use self::shutdown::Shutdown;
#[cfg(feature = "garde")]
#[cfg_attr(docsrs, doc(cfg(feature = "garde")))]
pub use self::valid_json::ValidJson;
