//! The number of an attempt, and how many attempts a call took.

use std::time::Duration;

use crate::not_retried::NotRetried;

/// The number of an attempt, counted from 1. The inner service finds it in the request's
/// extensions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AttemptNumber(u32);

impl AttemptNumber {
    pub(crate) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the number, counted from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// How many attempts a call took to get its response, and why there was no further one. The caller
/// finds it in the response's extensions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attempts {
    made: u32,
    not_retried: Option<NotRetried>,
    retry_after: Option<Duration>,
}

impl Attempts {
    pub(crate) const fn new(
        made: u32,
        not_retried: Option<NotRetried>,
        retry_after: Option<Duration>,
    ) -> Self {
        Self {
            made,
            not_retried,
            retry_after,
        }
    }

    /// Returns how many attempts were made.
    #[must_use]
    pub const fn made(self) -> u32 {
        self.made
    }

    /// Returns why there was no further attempt; `None` if the response is a success.
    #[must_use]
    pub const fn not_retried(self) -> Option<NotRetried> {
        self.not_retried
    }

    /// Returns how long the peer asked the caller to wait, if it did: with `Retry-After`, or with
    /// a 429 whose `x-ratelimit-reset` says so.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        self.retry_after
    }
}
