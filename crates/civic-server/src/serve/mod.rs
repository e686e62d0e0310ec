//! Serving: sockets in, and a drain that loses nothing at the end.
//!
//! # Bounds
//!
//! No caller holds a connection for longer than it uses it, however slow it is, and no connection
//! grows beyond its bounds:
//!
//! | what | bound | then |
//! |---|---|---|
//! | a request's head, from its first byte on, and a TLS handshake | 10 s | the connection is closed |
//! | a connection without a request, from its last answer on | 75 s, longer than the usual proxies keep theirs | the connection is closed |
//! | the time between two pieces of a request's body | 30 s | the extractor answers 408 |
//! | the time for which a caller does not take the answer that is being sent | 30 s | the connection is closed |
//! | the size of a head | 16 KiB, as in Node | 431 and the connection is closed |
//! | the rest of a body whose request was refused | 32 MiB or 2 s | the answer, and the connection is closed |
//!
//! # The end
//!
//! When [`Shutdown`](crate::Shutdown) begins the drain:
//!
//! 1. At once, `/health/ready` answers 503, so that load balancers send new connections elsewhere.
//!    New ones are still accepted, because they do so a moment later. Over HTTP/1.1 each answer is
//!    the last of its connection and says so (`Connection: close`); over HTTP/2 a GOAWAY does. A
//!    caller that reads this sends its next request to another replica, without any error.
//! 2. After the drain delay, 5 s, the listener is closed, and what it has accepted is served.
//!    Connections that are idle still are closed: the usual clients have closed theirs by now,
//!    because they keep an idle one for 4 s, so that none is closed under a request that is on its
//!    way. A connection that has sent only a part of a head, or of a TLS handshake, is closed too.
//! 3. Requests in flight have another 15 s. Then they are cut off.
//!
//! A second signal cuts off at once.

mod activity;
mod connection;
mod exchange;
mod listener;
mod server;
mod settings;
mod stream;
#[cfg(target_os = "linux")]
mod systemd;
pub(crate) mod timed_body;
mod timeouts;
#[cfg(feature = "tls")]
mod tls;
mod unread;

pub use self::listener::{MemoryConnector, MemoryStream};
pub use self::server::Server;
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use self::tls::{ClientCertificate, InvalidTls, Tls};
