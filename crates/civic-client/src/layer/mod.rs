//! The layers of the default stack, each usable alone.
//!
//! Their errors are [`Error`](crate::Error) from the transport upwards, so that every layer can judge what
//! happened without guessing at types. An inner service may have any error that converts into it; for the
//! errors of a transport of one's own there is [`Error::transport`](crate::Error::transport).
//!
//! None of them waits or fails in `poll_ready` by itself.

pub mod attempt_timeout;
pub mod collect_body;
pub mod correlation;
pub mod idempotency;
pub mod retry;
pub mod trace;

pub use self::{
    attempt_timeout::{AttemptTimeout, AttemptTimeoutLayer},
    collect_body::{CollectBody, CollectBodyLayer},
    correlation::{Correlation, CorrelationLayer},
    idempotency::{IdempotencyKey, IdempotencyKeyLayer},
    retry::{Retry, RetryLayer},
    trace::{Trace, TraceLayer},
};
