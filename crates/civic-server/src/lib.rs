#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod content_type;
pub mod extract;
pub mod fallback;
pub mod layer;
pub mod readiness;
pub mod serve;
mod service;
mod shutdown;

#[doc(inline)]
pub use civic_envelope::Failure;

#[doc(inline)]
pub use self::extract::{Json, JsonText, Meta, Page, Paginated, Path, Query, SortOrder};
#[cfg(feature = "garde")]
#[cfg_attr(docsrs, doc(cfg(feature = "garde")))]
#[doc(inline)]
pub use self::extract::{ValidJson, ValidPath, ValidQuery};
#[doc(inline)]
pub use self::layer::{ErrorShapeLayer, ObserveLayer, ShedLayer, StackLayer};
#[doc(inline)]
pub use self::readiness::Readiness;
#[doc(inline)]
pub use self::serve::Server;
pub use self::service::{InvalidPrefix, Service};
pub use self::shutdown::Shutdown;
