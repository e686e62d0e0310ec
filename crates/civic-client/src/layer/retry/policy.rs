//! Decides whether a call is retried, and when, from the outcome of its last attempt.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use tokio::time::Instant;

use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::layer::idempotency_key::has_callers_key;
use crate::layer::retry::backoff::{Backoff, Jitter};
use crate::layer::retry::retry_after::retry_after;
use crate::not_retried::NotRetried;
use crate::options::CallOptions;
use crate::transmission::Transmission;

const DEFAULT_RETRIES: u32 = 2;
const DEFAULT_MAX_RETRY_AFTER: Duration = Duration::from_secs(10);

/// Which calls may be executed twice.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum RetryScope {
    /// Idempotent calls, as [`RetryPolicy`] defines them.
    #[default]
    Idempotent,
    /// All calls, except those that the caller declared not idempotent. A peer that did the work of
    /// a POST and then answered 500 does the work again.
    AllMethods,
}

/// Decides whether a call is retried, and when.
///
/// | outcome of the attempt | idempotent call | other call |
/// |---|---|---|
/// | never sent ([`Transmission::NotSent`]) | retried | retried |
/// | 429 or 503 with `Retry-After`: the peer says that it did not execute the request | retried | retried |
/// | 503 without `Retry-After`, or any other 5xx except 501 and 505 | retried | [`NotRetried::NotReplaySafe`] |
/// | timeout, reset connection or truncated response ([`Transmission::Unknown`]) | retried | [`NotRetried::NotReplaySafe`] |
/// | other 4xx, 429 without `Retry-After`, 501, 505, redirects, a body over the cap | [`NotRetried::NotRetryable`] | [`NotRetried::NotRetryable`] |
/// | refused by one of the caller's own layers: an open circuit breaker, a limit, missing credentials | [`NotRetried::NotRetryable`] | [`NotRetried::NotRetryable`] |
///
/// If the caller declared whether a call is idempotent ([`CallOptions::with_idempotent`]), the
/// declaration decides. Otherwise a call is idempotent if its method is (RFC 9110, section 9.2.2),
/// or if it carries an `Idempotency-Key` that the caller gave. A key that
/// [`IdempotencyKeyLayer`](crate::layer::IdempotencyKeyLayer) generated does not count, because it
/// does not say that the peer honours keys.
///
/// A 503 without `Retry-After` does not say whether the request was executed: a proxy also answers
/// 503 if the connection broke after it had forwarded the request.
///
/// A retry that the table allows still does not happen if all retries were used, if the peer asks
/// for a longer pause than [`RetryPolicy::with_max_retry_after`] allows, if the wait would reach
/// the deadline, or if the inner service does not become ready again. The last outcome is then
/// returned, with the reason.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    retries: u32,
    scope: RetryScope,
    backoff: Backoff,
    max_retry_after: Duration,
}

/// What to do after an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// The attempt succeeded.
    Accept,
    /// Wait this long, then make another attempt.
    Retry(Duration),
    /// Return the outcome to the caller.
    Stop(NotRetried),
}

/// What the policy needs to know about a call. It is read before the first attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    replay_safe: bool,
    retries: u32,
    deadline: Option<Instant>,
}

impl Call {
    pub(super) const fn deadline(self) -> Option<Instant> {
        self.deadline
    }
}

/// How an attempt ended, as far as it matters for a retry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Answer {
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    Failure {
        transmission: Transmission,
        retryable: bool,
    },
    DeadlinePassed,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: DEFAULT_RETRIES,
            scope: RetryScope::default(),
            backoff: Backoff::default(),
            max_retry_after: DEFAULT_MAX_RETRY_AFTER,
        }
    }
}

impl RetryPolicy {
    /// Creates a policy of at most 2 retries of idempotent calls, after 500 ms and 1 s, each
    /// multiplied by a random factor from 0.8 to 1.2.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the largest number of retries per call.
    ///
    /// Defaults to 2: three attempts in all.
    #[must_use]
    pub const fn with_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets which calls may be executed twice.
    ///
    /// Defaults to [`RetryScope::Idempotent`].
    #[must_use]
    pub const fn with_scope(mut self, scope: RetryScope) -> Self {
        self.scope = scope;
        self
    }

    /// Sets how long to wait before each retry.
    ///
    /// Defaults to [`Backoff::default`].
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets how the waits are randomised.
    ///
    /// Defaults to [`Jitter::Proportional`].
    #[must_use]
    pub fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.backoff = self.backoff.with_jitter(jitter);
        self
    }

    /// Sets the longest pause that a peer may ask for. If the peer asks for a longer one, the call
    /// is not retried.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub const fn with_max_retry_after(mut self, max: Duration) -> Self {
        self.max_retry_after = max;
        self
    }

    pub(super) fn call<B>(&self, request: &Request<B>) -> Call {
        let options = CallOptions::of(request.extensions());
        let replay_safe = options.idempotent().unwrap_or_else(|| {
            self.scope == RetryScope::AllMethods
                || request.method().is_idempotent()
                || has_callers_key(request)
        });
        Call {
            replay_safe,
            retries: options.retries().unwrap_or(self.retries),
            deadline: options.deadline(),
        }
    }

    pub(super) fn judge(&self, call: Call, retries_done: u32, outcome: Outcome) -> Verdict {
        let (allowed, pause) = match outcome {
            Outcome::Answer {
                status,
                retry_after,
            } => match (status.as_u16(), retry_after) {
                (200..=299, _) => return Verdict::Accept,
                (429 | 503, Some(pause)) => (true, pause),
                (501 | 505, _) => return Verdict::Stop(NotRetried::NotRetryable),
                (500..=599, pause) => (call.replay_safe, pause.unwrap_or_default()),
                _ => return Verdict::Stop(NotRetried::NotRetryable),
            },
            Outcome::DeadlinePassed => return Verdict::Stop(NotRetried::Deadline),
            Outcome::Failure {
                retryable: false, ..
            } => return Verdict::Stop(NotRetried::NotRetryable),
            Outcome::Failure {
                transmission: Transmission::NotSent,
                ..
            } => (true, Duration::ZERO),
            Outcome::Failure { .. } => (call.replay_safe, Duration::ZERO),
        };
        if !allowed {
            return Verdict::Stop(NotRetried::NotReplaySafe);
        }
        if pause > self.max_retry_after {
            return Verdict::Stop(NotRetried::RetryAfterTooLong);
        }
        if retries_done >= call.retries {
            return Verdict::Stop(NotRetried::Exhausted);
        }
        let wait = self.backoff.wait(retries_done + 1, pause);
        let now = Instant::now();
        if call
            .deadline
            .is_some_and(|deadline| wait >= deadline.saturating_duration_since(now))
        {
            return Verdict::Stop(NotRetried::Deadline);
        }
        Verdict::Retry(wait)
    }
}

impl Outcome {
    pub(super) fn of<B>(result: &Result<Response<B>, Error>) -> Self {
        match result {
            Ok(response) => Self::Answer {
                status: response.status(),
                retry_after: retry_after(response.headers()),
            },
            Err(error) if error.kind() == ErrorKind::Deadline => Self::DeadlinePassed,
            Err(error) => Self::Failure {
                transmission: error.transmission(),
                retryable: matches!(
                    error.kind(),
                    ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Transport
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(replay_safe: bool, outcome: Outcome) -> Verdict {
        let call = Call {
            replay_safe,
            retries: 2,
            deadline: None,
        };
        RetryPolicy::new().judge(call, 0, outcome)
    }

    fn outcomes() -> impl Strategy<Value = Outcome> {
        let answer = (100_u16..1000, prop::option::of(0_u64..20)).prop_map(|(status, pause)| {
            Outcome::Answer {
                status: StatusCode::from_u16(status).expect("three digits"),
                retry_after: pause.map(Duration::from_secs),
            }
        });
        let failure =
            (any::<bool>(), any::<bool>()).prop_map(|(sent, retryable)| Outcome::Failure {
                transmission: if sent {
                    Transmission::Unknown
                } else {
                    Transmission::NotSent
                },
                retryable,
            });
        prop_oneof![answer, failure, Just(Outcome::DeadlinePassed)]
    }

    proptest! {
        #[test]
        fn what_may_have_been_executed_is_never_repeated_without_the_callers_word(outcome in outcomes()) {
            if let Verdict::Retry(_) = judge(false, outcome) {
                let unexecuted = match outcome {
                    Outcome::Answer { status, retry_after } => {
                        matches!(status.as_u16(), 429 | 503) && retry_after.is_some()
                    }
                    Outcome::Failure { transmission, .. } => transmission == Transmission::NotSent,
                    Outcome::DeadlinePassed => false,
                };
                prop_assert!(unexecuted);
            }
        }

        #[test]
        fn the_callers_word_only_ever_adds_retries(outcome in outcomes()) {
            let retried = |verdict| matches!(verdict, Verdict::Retry(_));
            prop_assert!(!retried(judge(false, outcome)) || retried(judge(true, outcome)));
        }

        #[test]
        fn no_wait_is_longer_than_the_deadline_allows(outcome in outcomes(), millis in 0_u64..20_000) {
            let remaining = Duration::from_millis(millis);
            let call = Call {
                replay_safe: true,
                retries: 2,
                deadline: Some(Instant::now() + remaining),
            };
            if let Verdict::Retry(wait) = RetryPolicy::new().judge(call, 0, outcome) {
                prop_assert!(wait < remaining);
            }
        }
    }
}
