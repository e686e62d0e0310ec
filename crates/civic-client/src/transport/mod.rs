//! The exchange itself: HTTP/1.1 over pooled TCP connections, with the feature `http2` HTTP/2 as
//! well, with the feature `tls` under TLS.
//!
//! Only this folder names the HTTP implementations, `hyper`, `hyper-util` and `h2`, and none of
//! their types is in a public signature.

mod body;
mod classify;
mod config;
mod connection;
mod dial;
mod exchange;
mod future;
#[cfg(feature = "http2")]
mod http2;
mod idle;
mod keep_alive;
mod later;
mod lease;
mod link;
mod outgoing;
mod pool;
mod pools;
mod resolve;
mod rest;
mod security;
mod server_name;
mod service;
mod settings;
mod socket;
mod stream;
mod target;
#[cfg(feature = "tls")]
mod tls;
mod tried;
mod unconnected;
mod way;

pub use self::body::TransportBody;
pub use self::config::TransportConfig;
pub use self::future::TransportFuture;
#[cfg(feature = "http2")]
pub use self::http2::Http2;
pub(crate) use self::resolve::DynResolve;
#[cfg(feature = "hickory")]
pub use self::resolve::HickoryResolver;
pub use self::resolve::{Addresses, Resolve, SystemResolver};
pub(crate) use self::server_name::ServerName;
pub use self::service::Transport;
#[cfg(feature = "test-util")]
pub(crate) use self::target::Target;
#[cfg(feature = "tls")]
pub use self::tls::{ClientIdentity, TlsConfig};
pub(crate) use self::tried::Tried;
