//! What the policy needs to know about a call.

use std::time::Duration;

use http::Request;
use tokio::time::Instant;

use crate::attempt::RetryMark;
use crate::layer::idempotency_key::{IDEMPOTENCY_KEY, has_callers_key};
use crate::layer::retry::scope::RetryScope;
use crate::options::{CallOptions, MIN_REMAINING};

/// What the policy needs to know about a call. It is read before the first attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) replay_safe: bool,
    pub(super) retries: u32,
    pub(super) deadline: Option<Instant>,
    /// Whether the request carries a key, given or generated.
    pub(super) keyed: bool,
    /// Whether the call serves a request that is itself a retry.
    pub(super) chained: bool,
}

impl Call {
    pub(super) fn new<B>(request: &Request<B>, scope: RetryScope, retries: u32) -> Self {
        let options = CallOptions::of(request.extensions());
        let replay_safe = options.idempotent().unwrap_or_else(|| {
            scope == RetryScope::AllMethods
                || request.method().is_idempotent()
                || has_callers_key(request)
        });
        Self {
            replay_safe,
            retries: options.retries().unwrap_or(retries),
            deadline: options.deadline(),
            keyed: request.headers().contains_key(IDEMPOTENCY_KEY),
            chained: request.extensions().get::<RetryMark>().is_some(),
        }
    }

    /// Returns the longest wait after which another attempt may still begin; `None` if the deadline
    /// leaves no time for one.
    pub(super) fn longest_wait(self) -> Option<Duration> {
        let Some(deadline) = self.deadline else {
            return Some(Duration::MAX);
        };
        deadline
            .saturating_duration_since(Instant::now())
            .checked_sub(MIN_REMAINING)
    }
}
