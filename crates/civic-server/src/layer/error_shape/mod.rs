//! Every error in the platform's shape, with the request's correlation id.
//!
//! # What is promised
//!
//! | answer with a status of 4xx or 5xx | becomes |
//! |---|---|
//! | made of a [`Failure`](civic_envelope::Failure) or an [`ErrorBody`](civic_envelope::ErrorBody) | the same, with the request's id in it. An id that it has already is kept |
//! | JSON of any kind: `application/json`, `application/problem+json` | unchanged: the handler that wrote it knows what it says |
//! | marked with [`SkipEnvelope`](civic_envelope::SkipEnvelope) | unchanged: the handler wants neither envelope nor shape |
//! | `text/plain` with a status of 4xx, at most 2 KiB | an error body with this text as its message. So the words of axum's own extractors reach the caller |
//! | anything else: no body, HTML, a text with a status of 5xx | an error body with the words of the status, such as `Not Found` |
//!
//! - A handler's empty 404 is `Not Found`. It is not `Cannot GET /…`: only the fallbacks of a
//!   router say that, and clients tell by it that the route does not exist.
//! - The other headers stay, `Allow`, `Retry-After`, `WWW-Authenticate` and `x-should-retry` among
//!   them. Those that describe the replaced body are removed.
//! - A text with a status of 5xx may be of the inside of the service, and is not passed on.
//! - The [source](civic_envelope::FailureSource) of a `Failure` is logged here, in the request's
//!   span: 500 as an error, other 5xx as a warning, 4xx at DEBUG. No caller sees it.
//! - HEAD gets the length that GET gets, where it is known.
//!
//! # Order
//!
//! Inside `CorrelationIdLayer`, which gives the request its id, and inside of what compresses
//! bodies. Outside of everything whose errors it shapes: a layer that catches panics, a limit, the
//! guard.

mod future;
mod layer;
mod shape;

pub use self::future::ErrorShapeFuture;
pub use self::layer::{ErrorShape, ErrorShapeLayer};
