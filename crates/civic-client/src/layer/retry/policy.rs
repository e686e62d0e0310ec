//! Whether a call may be tried again, and when: a plain function over what happened.
//!
//! The rules are on [`RetryPolicy`].

use std::fmt;
use std::time::Duration;

use http::{Request, Response, StatusCode};

use super::{Backoff, Jitter, retry_after};
use crate::error::{Error, ErrorKind};
use crate::layer::idempotency_key::has_callers_key;
use crate::options::CallOptions;
use crate::transmission::Transmission;

/// Which calls may be executed twice.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum RetryScope {
    /// Those that are idempotent, by method or by the caller's word.
    #[default]
    Idempotent,
    /// All of them: the rule of platforms that retry a POST after a 500. Executes it twice when the peer
    /// had done its work before it failed.
    AllMethods,
}

/// Why there was no further attempt.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum NotRetried {
    /// Another attempt would end the same way.
    NotRetryable,
    /// The peer may have executed it already, and executing it twice could do harm. Say `.idempotent(true)`
    /// or give an idempotency key if it cannot.
    NotReplaySafe,
    /// All retries were used.
    Exhausted,
    /// The peer asked for a longer pause than the caller is willing to make.
    RetryAfterTooLong,
    /// The deadline would have passed before the next attempt.
    Deadline,
    /// What is below the retry layer could not take another attempt.
    NotReady,
}

impl NotRetried {
    /// A stable name in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotRetryable => "fatal",
            Self::NotReplaySafe => "not_replay_safe",
            Self::Exhausted => "exhausted",
            Self::RetryAfterTooLong => "retry_after_too_long",
            Self::Deadline => "deadline",
            Self::NotReady => "not_ready",
        }
    }
}

impl fmt::Display for NotRetried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a call may be tried again, and when.
///
/// | what happened | idempotent, or declared so | otherwise |
/// |---|---|---|
/// | never sent ([`Transmission::NotSent`]) | retried | retried |
/// | 429 or 503 with `Retry-After`: the peer says that it did not take the request | retried | retried |
/// | 503 without it, 500, 502, 504, other 5xx but 501 and 505 | retried | [`NotRetried::NotReplaySafe`] |
/// | timeout, reset, truncated: delivery unknown | retried | [`NotRetried::NotReplaySafe`] |
/// | other 4xx, 429 without `Retry-After`, 501, 505, redirects, a body over the cap | [`NotRetried::NotRetryable`] | [`NotRetried::NotRetryable`] |
///
/// A call is idempotent if its method is (RFC 9110, 9.2.2), if it says so
/// ([`CallOptions::with_idempotent`]), or if it carries an `Idempotency-Key` of the caller's own. A key that
/// [`IdempotencyKeyLayer`](crate::layer::IdempotencyKeyLayer) made up does not count: nobody has said that
/// the peer honours it.
///
/// A bare 503 is no promise: a proxy answers it also when the connection was cut after forwarding.
///
/// A retry that is allowed still does not happen when the retries are used up, when the peer asks for a
/// longer pause than [`RetryPolicy::with_max_retry_after`], or when the wait would reach the deadline. The
/// outcome is then returned at once, with the reason.
#[derive(Clone, Debug, Default)]
pub struct RetryPolicy {
    retries: Retries,
    scope: RetryScope,
    backoff: Backoff,
    max_retry_after: MaxRetryAfter,
}

#[derive(Clone, Copy, Debug)]
struct Retries(u32);

impl Default for Retries {
    fn default() -> Self {
        Self(2)
    }
}

#[derive(Clone, Copy, Debug)]
struct MaxRetryAfter(Duration);

impl Default for MaxRetryAfter {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

/// What to do after an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It succeeded.
    Accept,
    /// Wait this long, then try again.
    Retry(Duration),
    /// Hand the outcome to the caller.
    Stop(NotRetried),
}

/// What the policy needs to know about a call; taken before the request is sent away.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    replay_safe: bool,
    retries: u32,
    deadline: Option<tokio::time::Instant>,
}

impl Call {
    pub(super) const fn deadline(self) -> Option<tokio::time::Instant> {
        self.deadline
    }
}

/// What came of an attempt, reduced to what decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    Answer {
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    Failure {
        delivery: Transmission,
        hopeless: bool,
    },
    DeadlinePassed,
}

impl RetryPolicy {
    /// At most 2 retries of idempotent calls, after 500 ms and 1 s, each times uniform(0.8, 1.2).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How often a call is tried again at most.
    ///
    /// Defaults to 2: three attempts in all.
    #[must_use]
    pub const fn with_retries(mut self, retries: u32) -> Self {
        self.retries = Retries(retries);
        self
    }

    /// Which calls may be executed twice.
    ///
    /// Defaults to [`RetryScope::Idempotent`].
    #[must_use]
    pub const fn with_scope(mut self, scope: RetryScope) -> Self {
        self.scope = scope;
        self
    }

    /// How long to wait before each retry.
    ///
    /// Defaults to [`Backoff::new`].
    #[must_use]
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// How the waits are scattered.
    ///
    /// Defaults to [`Jitter::Proportional`].
    #[must_use]
    pub fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.backoff = self.backoff.with_jitter(jitter);
        self
    }

    /// The longest pause that a peer may ask for; for a longer one the call ends at once.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub const fn with_max_retry_after(mut self, max: Duration) -> Self {
        self.max_retry_after = MaxRetryAfter(max);
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
            retries: options.retries().unwrap_or(self.retries.0),
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
            Outcome::Failure { hopeless: true, .. } => {
                return Verdict::Stop(NotRetried::NotRetryable);
            }
            Outcome::Failure {
                delivery: Transmission::NotSent,
                ..
            } => (true, Duration::ZERO),
            Outcome::Failure { .. } => (call.replay_safe, Duration::ZERO),
        };
        if !allowed {
            return Verdict::Stop(NotRetried::NotReplaySafe);
        }
        if pause > self.max_retry_after.0 {
            return Verdict::Stop(NotRetried::RetryAfterTooLong);
        }
        if retries_done >= call.retries {
            return Verdict::Stop(NotRetried::Exhausted);
        }
        let wait = self.backoff.wait(retries_done + 1, pause);
        let now = tokio::time::Instant::now();
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
                delivery: error.transmission(),
                hopeless: !matches!(
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
    use tokio::time::Instant;

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
            (any::<bool>(), any::<bool>()).prop_map(|(sent, hopeless)| Outcome::Failure {
                delivery: if sent {
                    Transmission::Unknown
                } else {
                    Transmission::NotSent
                },
                hopeless,
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
                    Outcome::Failure { delivery, .. } => delivery == Transmission::NotSent,
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
