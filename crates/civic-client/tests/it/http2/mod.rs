//! The client over HTTP/2.

mod both;
mod connections;
mod outcomes;
mod restarts;
mod speaking;
mod streams;
#[cfg(feature = "tls")]
mod tls;
