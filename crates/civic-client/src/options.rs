//! Per-call overrides of the client's settings.

use std::time::Duration;

use http::Extensions;
use tokio::time::Instant;

/// The least time that an attempt needs: it is not begun with less of the deadline left. It would
/// cost the peer its work, and its answer would come too late.
pub(crate) const MIN_REMAINING: Duration = Duration::from_millis(50);

/// Per-call overrides of the client's settings.
///
/// They travel in the extensions of the request, where the layers read them, so that a request that
/// is built by hand can have them as well:
///
/// ```
/// # use civic_client::CallOptions;
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(CallOptions::new().with_retries(0));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CallOptions {
    retries: Option<u32>,
    attempt_timeout: Option<Duration>,
    deadline: Option<Instant>,
    idempotent: Option<bool>,
}

impl CallOptions {
    /// Creates options that override nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            retries: None,
            attempt_timeout: None,
            deadline: None,
            idempotent: None,
        }
    }

    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or_default()
    }

    /// Returns whether anything is overridden.
    pub(crate) const fn has_any(&self) -> bool {
        self.retries.is_some()
            || self.attempt_timeout.is_some()
            || self.deadline.is_some()
            || self.idempotent.is_some()
    }

    /// Sets the largest number of retries.
    ///
    /// Defaults to that of the [`RetryPolicy`](crate::RetryPolicy).
    #[must_use]
    pub const fn with_retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Sets how long each attempt may take.
    ///
    /// Defaults to the time of the [`AttemptTimeoutLayer`](crate::AttemptTimeoutLayer).
    #[must_use]
    pub const fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// Sets the instant at which the call has to have ended.
    ///
    /// An attempt that still runs then is cut short, and no retry is waited for that could only
    /// begin afterwards. Defaults to no deadline.
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the deadline, unless there is an earlier one.
    pub(crate) fn by(self, deadline: Instant) -> Self {
        let earlier = self.deadline.map_or(deadline, |own| own.min(deadline));
        self.with_deadline(earlier)
    }

    /// Declares whether executing the request twice has the same effect as executing it once.
    ///
    /// Defaults to what the method says.
    #[must_use]
    pub const fn with_idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = Some(idempotent);
        self
    }

    /// Returns the largest number of retries, if the call has its own.
    #[must_use]
    pub const fn retries(&self) -> Option<u32> {
        self.retries
    }

    /// Returns how long each attempt may take, if the call has its own limit.
    #[must_use]
    pub const fn attempt_timeout(&self) -> Option<Duration> {
        self.attempt_timeout
    }

    /// Returns the instant at which the call has to have ended, if it has a deadline.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns whether the call was declared idempotent, if it was declared at all.
    #[must_use]
    pub const fn idempotent(&self) -> Option<bool> {
        self.idempotent
    }
}
