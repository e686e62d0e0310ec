//! The server's side: wraps successful JSON responses as they stream.
//!
//! # What is promised
//!
//! A response is wrapped when all of this is true, and otherwise passes with not a byte changed:
//!
//! 1. The status is 2xx, but not 204, 205 or 206; the method is not `CONNECT`.
//! 2. There is exactly one `content-type`, and it is `application/json` with any parameters. Or
//!    there is none and the body is known to be empty: a handler that returned nothing.
//! 3. There is no `content-encoding` and no `content-range`.
//! 4. It is not marked yet (`x-envelope`), so that the layer applied twice wraps once, and the
//!    handler did not opt out with [`SkipEnvelope`].
//! 5. The request's path is not excluded: exactly `/health` or `/health/ready` unless configured.
//!
//! So files, event streams, ndjson, problem details, redirects and errors pass. Of a response that
//! is wrapped:
//!
//! * **The body** is 23 bytes, what the handler wrote, 40 bytes. It is not parsed, buffered or
//!   copied: no more than one frame of the handler's body and the 63 bytes are ever held. Nothing
//!   at all becomes `null`. Trailers follow the suffix.
//! * **The length**, where the body knows it, is the exact sum. A `content-length` that the handler
//!   set is removed: the server writes the right one.
//! * **An error** of the handler's body ends it without the suffix, so does a body that ends
//!   shorter or runs longer than its own size hint says. A truncated body never looks like success,
//!   not even over HTTP/1.0, where the missing suffix is the only sign.
//! * **`HEAD`** answers the length that `GET` has where the handler gave a length, and none where
//!   it did not.
//! * **Headers**: `x-envelope: 1` is added. `accept-ranges` and digests (`content-md5`, `digest`,
//!   `content-digest`, `repr-digest`) are removed, from the trailers too, since they describe other
//!   bytes. A strong `etag` becomes weak: the timestamp differs each time, the data does not. A
//!   handler that compares `If-None-Match` weakly (RFC 9110 section 13.1.2) answers 304 as before.
//! * **The timestamp** is that of the response's head.
//!
//! # What is not promised
//!
//! That the handler wrote JSON. If it relays bytes that it does not trust, they could close the
//! envelope early and open their own: use [`EnvelopeLayer::checked`] there. The path is the one
//! that this layer sees: a router that strips a prefix shows it the rest only.
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
//! Authentication goes inside, with the handlers (its refusals are errors and pass untouched);
//! correlation, tracing and whatever catches panics go outside. From the outside in: correlation,
//! trace, catch panic, compression, **envelope**, authentication, roles, handler. The catcher of
//! panics is inside of the correlation id, or its 500 has none.

mod body;
mod check;
mod future;
mod head;
mod service;
mod settings;

pub use self::body::EnvelopeBody;
pub use self::check::CheckFailed;
pub use self::future::EnvelopeFuture;
pub use self::head::SkipEnvelope;
pub use self::service::EnvelopeService;
pub use self::settings::EnvelopeLayer;
