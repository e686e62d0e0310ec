//! A request as it arrived.

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::Instant;

/// One request as it arrived on the wire.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The method of the request.
    pub method: Method,
    /// The request target, byte for byte: path and query, not decoded.
    pub target: String,
    /// The header fields, in order for each name.
    pub headers: HeaderMap,
    /// The body, with chunked coding undone.
    pub body: Bytes,
    /// The instant at which its last byte had been read, on tokio's clock.
    pub at: Instant,
    /// The number of the connection that it came on, from 1.
    pub connection: usize,
}

impl Attempt {
    /// Returns a header's value as text, or `None` if it is absent or not visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}
