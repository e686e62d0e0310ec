//! The server's side: wraps successful JSON responses as they stream.
//!
//! # What is promised
//!
//! A response is wrapped if all of this is true. Otherwise it passes unchanged, byte for byte:
//!
//! 1. The status is 2xx, but not 204, 205 or 206; the method is not `CONNECT`.
//! 2. There is exactly one `content-type`, and it is `application/json` with any parameters. Or
//!    there is none and the body is known to be empty, as from a handler that returned nothing.
//! 3. There is no `content-encoding` and no `content-range`.
//! 4. It is not yet marked (`x-envelope`), so that a layer that is applied twice wraps once, and
//!    the handler did not opt out with [`SkipEnvelope`].
//! 5. The request's path is not excluded. By default, exactly `/health` and `/health/ready` are.
//!
//! So files, event streams, ndjson, problem details, redirects and errors pass. For a response that
//! is wrapped:
//!
//! * **The body** is 23 bytes, the handler's bytes, and 40 bytes. It is not parsed, buffered or
//!   copied: at most one frame of the handler's body and the 63 bytes are held. An empty body
//!   becomes `null`. A byte order mark becomes white space. Trailers follow the suffix. An
//!   [`EnvelopeMeta`] in the response's extensions is written after the timestamp, and the length
//!   then grows by it.
//! * **The length**, if the body knows it, is the exact sum. A `content-length` that the handler
//!   set is removed: the server writes the right one.
//! * **An error** of the handler's body ends it without the suffix. So does a body that is shorter
//!   or longer than its own size hint says, and one of nothing but white space. A truncated body
//!   never looks like a success, not even over HTTP/1.0, where the missing suffix is the only sign.
//! * **`HEAD`** answers the length that `GET` has if the handler gave a length, and none if it did
//!   not. With a length its body is known to be empty, so that a layer further out does not
//!   compress it.
//! * **The request** loses `Range` and `If-Range`: a range of the envelope is no range of the
//!   payload, and a download that is resumed would join the two. Exclude the paths of large files.
//!   The tags in `If-Match` are strong again.
//! * **Headers**: `x-envelope: 1` is added. `accept-ranges` and digests (`content-md5`, `digest`,
//!   `content-digest`, `repr-digest`) are removed, from the trailers too, because they describe
//!   other bytes. A strong `etag` becomes weak: the timestamp differs each time, the data does not.
//!   A handler that compares `If-None-Match` weakly (RFC 9110 section 13.1.2) answers 304 as
//!   before.
//! * **The timestamp** is that of the response's head.
//!
//! # What is not promised
//!
//! The layer does not check that the handler wrote JSON. Bytes that are relayed from elsewhere
//! could close the envelope early and open their own: use [`EnvelopeLayer::with_body_check`] for
//! them. A gateway that relays an upstream's envelope in this way wraps it once more, as
//! `data.data`: the upstream's mark is not trusted. Unwrap it first, or exclude the path.
//!
//! The path is the one that this layer sees: inside a router that strips a prefix, only the rest of
//! it.
//!
//! # Order
//!
//! Compression must see the wrapped bytes, and the envelope must see uncompressed ones:
//!
//! ```
//! # use civic_envelope::EnvelopeLayer;
//! # use tower::{ServiceBuilder, layer::util::Identity};
//! # struct CompressionLayer; impl CompressionLayer { fn new() -> Identity { Identity::new() } }
//! let right = ServiceBuilder::new()
//!     .layer(CompressionLayer::new()) // outermost: compresses the envelope
//!     .layer(EnvelopeLayer::new());
//!
//! let wrong = ServiceBuilder::new()
//!     .layer(EnvelopeLayer::new()) // sees `content-encoding: gzip` and leaves the response alone
//!     .layer(CompressionLayer::new());
//! ```
//!
//! Authentication belongs inside, next to the handlers: its refusals are errors and pass. The
//! correlation id, tracing and a layer that catches panics belong outside. From the outside in:
//! correlation id, trace, catch panic, compression, **envelope**, authentication, roles, handler.
//! The layer that catches panics is inside the correlation id, or its 500 has no id.

mod body;
mod check;
mod future;
mod head;
mod layer;
mod meta;
mod service;
mod settings;

pub use self::body::EnvelopeBody;
pub use self::check::CheckFailed;
pub use self::future::EnvelopeFuture;
pub use self::head::SkipEnvelope;
pub use self::layer::EnvelopeLayer;
pub use self::meta::EnvelopeMeta;
pub use self::service::EnvelopeService;
