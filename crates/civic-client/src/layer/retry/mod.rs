//! Retries: the layer, its policy, the backoff, and the `Retry-After` header.

pub(crate) mod attempts;
mod backoff;
mod policy;
pub(crate) mod retry_after;
mod service;

pub use self::attempts::{AttemptNumber, Attempts};
pub use self::backoff::{Backoff, Jitter};
pub use self::policy::{RetryPolicy, RetryScope};
pub use self::retry_after::retry_after;
pub use self::service::{Retry, RetryFuture, RetryLayer};
