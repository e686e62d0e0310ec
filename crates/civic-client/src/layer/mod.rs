//! The layers of the default stack, each usable alone.
//!
//! Their errors are [`Error`](crate::Error) from the transport upwards, so that every layer can judge what
//! happened without guessing at types. An inner service may have any error that converts into it; for the
//! errors of a transport of one's own there is [`Error::transport`](crate::Error::transport).
//!
//! None of them waits or fails in `poll_ready` by itself.
//!
//! # Order
//!
//! What happens once a call stands outside of the retry layer, what happens in each attempt inside of it:
//!
//! ```
//! use civic_auth::{InternalHeadersLayer, Secret, TokenMinter};
//! use civic_client::{Transport, layer::*};
//! use tower::ServiceBuilder;
//!
//! let minter = TokenMinter::new(Secret::new("a secret of at least thirty-two bytes")?);
//! let stack = ServiceBuilder::new()
//!     .layer(PropagateCorrelationIdLayer::new())
//!     .layer(IdempotencyKeyLayer::new())
//!     .layer(RetryLayer::default())
//!     .layer(AttemptSpanLayer::new())
//!     .layer(AttemptTimeoutLayer::default())
//!     .layer(InternalHeadersLayer::new(minter))
//!     .layer(CollectBodyLayer::new())
//!     .service(Transport::default());
//! # let _ = stack;
//! # Ok::<(), civic_auth::ConfigError>(())
//! ```
//!
//! Each of these compiles too, and is wrong:
//!
//! | order | what it does |
//! |---|---|
//! | `InternalHeadersLayer` outside of `RetryLayer` | the third attempt carries a token that may be dead |
//! | `AttemptTimeoutLayer` outside of `RetryLayer` | one limit for all attempts: a slow first one leaves nothing for the others |
//! | `CollectBodyLayer` outside of `AttemptTimeoutLayer` | a body that hangs is not noticed |
//! | `IdempotencyKeyLayer` or `PropagateCorrelationIdLayer` inside of `RetryLayer` | each attempt looks like a request of its own |
//! | `AttemptSpanLayer` inside of `AttemptTimeoutLayer` | an attempt that ran out of time looks like a caller that went away |

pub mod attempt_span;
pub mod attempt_timeout;
pub mod collect_body;
pub mod idempotency_key;
pub mod propagate_correlation_id;
pub mod retry;

pub use self::attempt_span::{AttemptSpan, AttemptSpanLayer};
pub use self::attempt_timeout::{AttemptTimeout, AttemptTimeoutLayer};
pub use self::collect_body::{CollectBody, CollectBodyLayer};
pub use self::idempotency_key::{IdempotencyKey, IdempotencyKeyLayer};
pub use self::propagate_correlation_id::{PropagateCorrelationId, PropagateCorrelationIdLayer};
pub use self::retry::{Retry, RetryLayer};
