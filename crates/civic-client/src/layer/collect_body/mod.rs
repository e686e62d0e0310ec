//! The whole body of each response.

pub(crate) mod closing;
mod collected;
#[cfg(feature = "gzip")]
mod gzip;
mod layer;
mod reading;
mod service;
mod step;

pub use self::layer::CollectBodyLayer;
pub use self::service::{CollectBody, CollectBodyFuture};
