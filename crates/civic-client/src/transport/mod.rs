//! The exchange itself: HTTP/1.1 over pooled TCP connections.
//!
//! Only this folder names the HTTP implementation, `hyper` and `hyper-util`, and none of its types
//! is in a public signature.

mod body;
mod classify;
mod config;
mod service;

pub use self::body::TransportBody;
pub use self::config::TransportConfig;
pub use self::service::{Transport, TransportFuture};
