#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]

mod body;
mod error;
mod facade;
pub mod layer;
mod options;
mod stack;
mod transport;
mod validate;

pub use self::{
    body::Body,
    error::{Error, ErrorKind},
    facade::{RequestBuilder, ServiceClient, ServiceClientBuilder},
    layer::retry::{Delivery, Jitter, NotRetried, RetryPolicy, RetryScope},
    options::{CallOptions, UrlTemplate},
    transport::{ResponseBody, Transport, TransportConfig, TransportFuture},
    validate::Validation,
};
