//! The exchange itself: HTTP/1.1 over pooled TCP connections.
//!
//! Only this folder names the HTTP implementation, `hyper` and `hyper-util`, and none of its types
//! is in a public signature.

mod body;
mod classify;
mod config;
mod connection;
mod dial;
mod keep_alive;
mod lease;
mod outgoing;
mod pool;
mod pools;
mod resolve;
mod service;
mod socket;
mod target;
mod tried;
mod unconnected;

pub use self::body::TransportBody;
pub use self::config::TransportConfig;
pub(crate) use self::resolve::DynResolve;
#[cfg(feature = "hickory")]
pub use self::resolve::HickoryResolver;
pub use self::resolve::{Addresses, Resolve, SystemResolver};
pub use self::service::{Transport, TransportFuture};
#[cfg(feature = "test-util")]
pub(crate) use self::target::Target;
pub(crate) use self::tried::Tried;
