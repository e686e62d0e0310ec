//! Why a call was not retried.

use std::fmt;

/// Why a call was not retried, or not retried again.
///
/// [`Error::not_retried`](crate::Error::not_retried) and
/// [`Attempts::not_retried`](crate::Attempts::not_retried) return it. The rules are listed at
/// [`RetryPolicy`](crate::RetryPolicy).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum NotRetried {
    /// Another attempt would end in the same way.
    NotRetryable,
    /// The peer may have executed the request, and executing it twice could do harm. If it cannot,
    /// declare the call idempotent or give it an idempotency key.
    NotReplaySafe,
    /// All retries were used.
    Exhausted,
    /// The peer asked for a longer pause than the policy or the deadline allows.
    RetryAfterTooLong,
    /// The deadline would have passed before the next attempt.
    Deadline,
    /// The service below the retry layer did not become ready for another attempt.
    NotReady,
    /// The budget for retries of this peer is spent: it fails too often for more of them to help.
    Budget,
    /// The call serves a request that is itself a retry. The caller at the start of the chain
    /// repeats; a repetition by every service on the way would multiply.
    ChainStop,
    /// The peer said that a retry is of no use, with `x-should-retry: false`.
    PeerSaidNo,
    /// The peer's rate limit is used up for longer than the call may wait.
    RateLimited,
    /// A part of a stream has passed already, and does not come again: the body of the request, or
    /// that of the response.
    Begun,
}

impl NotRetried {
    /// Returns a stable name in `snake_case`, for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            // The name that was published first; scripts compare it.
            Self::NotRetryable => "fatal",
            Self::NotReplaySafe => "not_replay_safe",
            Self::Exhausted => "exhausted",
            Self::RetryAfterTooLong => "retry_after_too_long",
            Self::Deadline => "deadline",
            Self::NotReady => "not_ready",
            Self::Budget => "budget",
            Self::ChainStop => "chain_stop",
            Self::PeerSaidNo => "peer_said_no",
            Self::RateLimited => "rate_limited",
            Self::Begun => "begun",
        }
    }
}

impl fmt::Display for NotRetried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_names_stay_as_scripts_know_them() {
        let names = [
            (NotRetried::NotRetryable, "fatal"),
            (NotRetried::NotReplaySafe, "not_replay_safe"),
            (NotRetried::Exhausted, "exhausted"),
            (NotRetried::RetryAfterTooLong, "retry_after_too_long"),
            (NotRetried::Deadline, "deadline"),
            (NotRetried::NotReady, "not_ready"),
            (NotRetried::Budget, "budget"),
            (NotRetried::ChainStop, "chain_stop"),
            (NotRetried::PeerSaidNo, "peer_said_no"),
            (NotRetried::RateLimited, "rate_limited"),
            (NotRetried::Begun, "begun"),
        ];
        for (reason, name) in names {
            assert_eq!(
                (reason.as_str(), reason.to_string()),
                (name, name.to_owned())
            );
        }
    }
}
