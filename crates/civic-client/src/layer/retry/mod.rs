//! Trying again: the layer, its policy, and the rules that the policy rests on.
//!
//! One attempt is whatever the inner service does; in the default stack that is the whole exchange, body
//! included, under a timeout of its own. Each attempt gets a clone of the request, headers and extensions
//! as they were when the call entered, plus its [`AttemptNumber`].
//!
//! The outcome that is handed back is always that of the last attempt: an inner service that fails to
//! become ready for a retry does not replace it. How many attempts there were, and why there was no more,
//! is in the [`Error`](crate::Error), or in the response's extensions as [`Attempts`].
//!
//! Nothing happens in `poll_ready` but the inner service's own.

mod backoff;
mod policy;
mod retry_after;
mod service;

pub use self::backoff::{Backoff, Jitter};
pub use self::policy::{NotRetried, RetryPolicy, RetryScope};
pub use self::retry_after::retry_after;
pub use self::service::{AttemptNumber, Attempts, Retry, RetryFuture, RetryLayer};
