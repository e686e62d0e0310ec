#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod body;
mod error;
mod facade;
pub mod layer;
mod options;
mod stack;
mod transmission;
mod transport;
mod validate;

pub use self::body::Body;
pub use self::error::{Error, ErrorKind};
pub use self::facade::{RequestBuilder, ServiceClient, ServiceClientBuilder};
pub use self::layer::retry::{Jitter, NotRetried, RetryPolicy, RetryScope};
pub use self::options::{CallOptions, UrlTemplate};
pub use self::transmission::Transmission;
pub use self::transport::{ResponseBody, Transport, TransportConfig, TransportFuture};
pub use self::validate::Validation;
