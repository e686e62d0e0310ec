//! What a service that is built with civic-server promises to its callers and to its operator.

#[cfg(feature = "garde")]
mod bills;
mod bounds;
mod drain;
mod edge;
mod error_shape;
mod extractors;
#[cfg(feature = "garde")]
mod first_hour;
mod key_sets;
mod lists;
mod not_found;
mod observe;
mod readiness;
mod server;
mod service;
mod shed;
mod shutdown;
mod statuses;
mod support;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "garde")]
mod valid;
mod wrong_order;
