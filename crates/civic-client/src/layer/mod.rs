//! The layers of the default stack, each usable alone.
//!
//! | layer | per | what it does |
//! |---|---|---|
//! | [`PropagateContextLayer`] | call | one correlation id, the same on each attempt; the trace context, the deadline and the mark of a retry of the request being served |
//! | [`IdempotencyKeyLayer`] | call | one `Idempotency-Key` for POST and PATCH |
//! | [`InFlightLimitLayer`] | call | a limit on the calls under way; in the default stack if asked for |
//! | [`ObserveLayer`] | call, attempt | tells an [`Observer`](crate::observe::Observer); in the default stack if there is one |
//! | [`RetryLayer`] | call | retries as a [`RetryPolicy`] says |
//! | [`AttemptSpanLayer`] | attempt | a span with the names of OpenTelemetry |
//! | [`AttemptTimeoutLayer`] | attempt | a time limit, the body included |
//! | [`AttemptHeadersLayer`] | attempt | how long the caller waits, and which attempt it is |
//! | [`BalanceLayer`] | attempt | the endpoint, by load and health; in the default stack if there are endpoints |
//! | [`CollectBodyLayer`] | attempt | the whole body, capped |
//!
//! Their error is [`Error`](crate::Error) from the transport upwards, so that every layer can judge
//! what happened without guessing at types. An inner service may have any error that converts into
//! it: tower's boxed errors do, and for the error of a transport of your own there is
//! [`Error::transport`](crate::Error::transport).
//!
//! None of them waits or fails in `poll_ready` by itself. Each service has `get_ref`, `get_mut` and
//! `into_inner` for the service that it wraps.
//!
//! # Order
//!
//! What happens once per call stands outside of the retry layer; what happens in each attempt
//! stands inside:
//!
//! ```
//! use civic_auth::{InternalHeadersLayer, Secret, TokenMinter};
//! use civic_client::Transport;
//! use civic_client::layer::{
//!     AttemptHeadersLayer, AttemptSpanLayer, AttemptTimeoutLayer, CollectBodyLayer, IdempotencyKeyLayer,
//!     PropagateContextLayer, RetryLayer,
//! };
//! use tower::ServiceBuilder;
//!
//! let minter = TokenMinter::new(Secret::new("a secret of at least thirty-two bytes")?);
//! let stack = ServiceBuilder::new()
//!     .layer(PropagateContextLayer::new())
//!     .layer(IdempotencyKeyLayer::new())
//!     .layer(RetryLayer::default())
//!     .layer(AttemptSpanLayer::new())
//!     .layer(AttemptTimeoutLayer::default())
//!     .layer(AttemptHeadersLayer::new())
//!     .layer(InternalHeadersLayer::new(minter))
//!     .layer(CollectBodyLayer::new())
//!     .service(Transport::default());
//! # let _ = stack;
//! # Ok::<(), civic_auth::ConfigError>(())
//! ```
//!
//! Each of these orders compiles too, and is wrong:
//!
//! | order | what goes wrong |
//! |---|---|
//! | `InternalHeadersLayer` outside of `RetryLayer` | the third attempt carries a token that may have expired |
//! | `AttemptTimeoutLayer` outside of `RetryLayer` | there is one limit for all attempts: a slow first one leaves no time for the others |
//! | `CollectBodyLayer` outside of `AttemptTimeoutLayer` | no timeout covers the body |
//! | `IdempotencyKeyLayer` or `PropagateContextLayer` inside of `RetryLayer` | each attempt looks like a call of its own |
//! | `AttemptHeadersLayer` outside of `AttemptTimeoutLayer` | the peer is not told how long the caller waits |
//! | `InFlightLimitLayer` inside of `RetryLayer` | a call that waits for its turn loses its place with each attempt |
//! | `ObserveLayer::of_attempts` outside of `RetryLayer` | all attempts of a call are told as one |
//! | `BalanceLayer` outside of `RetryLayer` | a retry meets the endpoint that failed |
//! | `BalanceLayer` outside of `AttemptTimeoutLayer` | an endpoint that swallows requests has failed only when the call is over |
//! | `BalanceLayer` inside of `CollectBodyLayer` | an endpoint whose bodies never end is the fastest one |
//! | `AttemptSpanLayer` inside of `AttemptTimeoutLayer` | an attempt that timed out looks like one that was cancelled |

pub(crate) mod attempt_headers;
pub(crate) mod attempt_span;
pub(crate) mod attempt_timeout;
pub(crate) mod balance;
pub(crate) mod collect_body;
pub(crate) mod idempotency_key;
pub(crate) mod in_flight_limit;
pub(crate) mod observe;
pub(crate) mod propagate_context;
pub(crate) mod retry;

pub use self::attempt_headers::{AttemptHeaders, AttemptHeadersLayer};
pub use self::attempt_span::{AttemptSpan, AttemptSpanFuture, AttemptSpanLayer};
pub use self::attempt_timeout::{AttemptTimeout, AttemptTimeoutFuture, AttemptTimeoutLayer};
pub use self::balance::{Balance, BalanceFuture, BalanceLayer};
pub use self::collect_body::{CollectBody, CollectBodyFuture, CollectBodyLayer};
pub use self::idempotency_key::{IDEMPOTENCY_KEY, IdempotencyKey, IdempotencyKeyLayer};
pub use self::in_flight_limit::{InFlightLimit, InFlightLimitFuture, InFlightLimitLayer};
pub use self::observe::{Observe, ObserveFuture, ObserveLayer};
pub use self::propagate_context::{
    PropagateContext, PropagateContextFuture, PropagateContextLayer,
};
pub use self::retry::{
    AttemptNumber, Attempts, Backoff, Jitter, PeerMemory, Retry, RetryBudget, RetryDecision,
    RetryEvent, RetryFuture, RetryLayer, RetryPolicy, RetryScope, retry_after,
};
