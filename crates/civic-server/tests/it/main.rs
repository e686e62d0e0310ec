//! What a service that is built with civic-server promises to its callers and to its operator.

mod error_shape;
mod extractors;
mod server;
mod service;
mod shutdown;
mod support;
