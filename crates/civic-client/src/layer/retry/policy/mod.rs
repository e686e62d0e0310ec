//! Decides whether a call is retried, and when, from the outcome of its last attempt.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Request;

use crate::layer::retry::backoff::{Backoff, Jitter};
use crate::layer::retry::call::Call;
use crate::layer::retry::event::RetryEvent;
use crate::layer::retry::outcome::{Answered, Outcome};
use crate::layer::retry::peers::PeerMemory;
use crate::layer::retry::scope::RetryScope;
use crate::not_retried::NotRetried;
use crate::observe::Observer;
use crate::transmission::Transmission;
use crate::wall_clock::WallClock;

const DEFAULT_RETRIES: u32 = 2;
const DEFAULT_MAX_RETRY_AFTER: Duration = Duration::from_secs(10);

/// Decides whether a call is retried, and when.
///
/// The first row that holds decides:
///
#[doc = include_str!("table.md")]
///
/// If the caller declared whether a call is idempotent
/// ([`CallOptions::with_idempotent`](crate::CallOptions::with_idempotent)), the declaration
/// decides. Otherwise a call is idempotent if its method is (RFC 9110, section 9.2.2), or if it
/// carries an `Idempotency-Key` that the caller gave. A key that
/// [`IdempotencyKeyLayer`](crate::layer::IdempotencyKeyLayer) generated does not count, because it
/// does not say that the peer honours keys.
///
/// A 503 without `Retry-After` does not say whether the request was executed: a proxy also answers
/// 503 if the connection broke after it had forwarded the request.
///
/// A call serves a retry if the request being served is marked as one (`x-retry-attempt`). The
/// caller at the start of the chain repeats it; if every service on the way did so too, a peer at
/// the end of a chain of four would get 27 requests for one.
///
/// What an endpoint asks for with a 503, it asks for itself. Where a service has
/// [endpoints](crate::layer::BalanceLayer) and another one is well, the first retry of such an
/// answer goes there without a wait.
///
/// # What stands against a retry
///
/// A retry that the table allows still does not happen, and the last outcome is returned with the
/// reason, if
///
/// - the peer asks for a longer pause than the call can wait. A call with a deadline waits if the
///   pause ends before it. A call without one waits at most
///   [`with_max_retry_after`](Self::with_max_retry_after);
/// - all retries were used;
/// - the body of the request is a stream ([`Body::stream`](crate::Body::stream)) of which a part
///   has passed;
/// - fewer than 50 ms of the deadline would be left for the attempt;
/// - the [`RetryBudget`](crate::RetryBudget) of the peer is spent;
/// - the inner service does not become ready again.
#[derive(Clone)]
pub struct RetryPolicy {
    retries: u32,
    scope: RetryScope,
    backoff: Backoff,
    max_retry_after: Duration,
    trust_closing_answer: bool,
    memory: PeerMemory,
    clock: WallClock,
    observer: Option<Arc<dyn Observer>>,
}

/// What to do after an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// The attempt succeeded.
    Accept,
    /// Wait this long, then make another attempt, if the budget allows it.
    Retry { wait: Duration, cost: Cost },
    /// Return the outcome to the caller.
    Stop(NotRetried),
}

/// What a retry costs the peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cost {
    /// Nothing: the attempt before certainly was not executed, and took no work to refuse.
    Free,
    /// It is charged to the budget, and counts as an attempt that may have reached the peer.
    Charged,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retries: DEFAULT_RETRIES,
            scope: RetryScope::default(),
            backoff: Backoff::default(),
            max_retry_after: DEFAULT_MAX_RETRY_AFTER,
            trust_closing_answer: true,
            memory: PeerMemory::new(),
            clock: WallClock::default(),
            observer: None,
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

    /// Sets the longest pause that a peer may ask for of a call that has no deadline. If it asks
    /// for a longer one, the call ends at once.
    ///
    /// A call that has a deadline waits for whatever ends before it.
    ///
    /// Defaults to 10 s.
    #[must_use]
    pub const fn with_max_retry_after(mut self, max: Duration) -> Self {
        self.max_retry_after = max;
        self
    }

    /// Sets whether the answer of a Fastify that is closing counts as "never executed".
    ///
    /// A Node service that is being stopped answers every request that still arrives on an open
    /// connection with 503, before any of its code runs. That answer is the same bytes each time:
    /// `{"error":"Service Unavailable","message":"Service Unavailable","statusCode":503}`, with
    /// `Connection: close`, over HTTP/1.1 and without `Via`. A request that gets it is repeated
    /// with every method.
    ///
    /// Set this to `false` behind a proxy that repeats a POST by itself: the answer could then be
    /// that to the second of two requests.
    ///
    /// Defaults to `true`.
    #[must_use]
    pub const fn with_trust_closing_answer(mut self, trust: bool) -> Self {
        self.trust_closing_answer = trust;
        self
    }

    /// Sets what is remembered about peers, to share it with another policy or to change the
    /// [`RetryBudget`](crate::RetryBudget).
    ///
    /// Defaults to a memory of the policy's own, which its clones share.
    #[must_use]
    pub fn with_peer_memory(mut self, memory: PeerMemory) -> Self {
        self.memory = memory;
        self
    }

    /// Sets the wall clock, which the dates of a peer are compared with.
    ///
    /// Defaults to [`SystemTime::now`].
    #[must_use]
    pub fn with_clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = WallClock::new(now);
        self
    }

    /// Sets who is told every decision about an attempt that did not succeed
    /// ([`Observer::retry_decided`]).
    ///
    /// It is told between two attempts: it must not block.
    ///
    /// Defaults to the observer of the client
    /// ([`ServiceClientBuilder::observer`](crate::ServiceClientBuilder::observer)), else to none.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Sets who is told, unless the policy has an observer of its own.
    pub(crate) fn or_observer(mut self, observer: &Arc<dyn Observer>) -> Self {
        self.observer.get_or_insert_with(|| Arc::clone(observer));
        self
    }

    pub(super) fn call<B>(&self, request: &Request<B>) -> Call {
        Call::new(request, self.scope, self.retries)
    }

    pub(super) const fn memory(&self) -> &PeerMemory {
        &self.memory
    }

    pub(super) const fn max_retry_after(&self) -> Duration {
        self.max_retry_after
    }

    pub(crate) const fn clock(&self) -> &WallClock {
        &self.clock
    }

    /// Returns a random wait for one of many calls that would otherwise begin at the same moment.
    pub(super) fn scatter(&self) -> Duration {
        self.backoff.scatter()
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub(super) fn observe(&self, event: &RetryEvent<'_>) {
        if let Some(observer) = &self.observer {
            observer.retry_decided(event);
        }
    }

    /// Judges an attempt. Only the budget is left to ask.
    pub(super) fn judge(&self, call: Call, retries_done: u32, outcome: Outcome) -> Verdict {
        let allowed = match self.allowed(call, outcome) {
            Ok(allowed) => allowed,
            Err(verdict) => return verdict,
        };
        let Allowed { cost, .. } = allowed;
        // A further one waits: the service may have no process left that has time.
        let moves = allowed.another_is_well && retries_done == 0;
        let pause = if moves { Duration::ZERO } else { allowed.pause };
        let Some(longest) = call.longest_wait() else {
            return Verdict::Stop(NotRetried::Deadline);
        };
        let longest_pause = match call.deadline {
            Some(_) => longest,
            None => self.max_retry_after,
        };
        if pause > longest_pause {
            return Verdict::Stop(NotRetried::RetryAfterTooLong);
        }
        if retries_done >= call.retries {
            return Verdict::Stop(NotRetried::Exhausted);
        }
        if moves {
            let wait = Duration::ZERO;
            return Verdict::Retry { wait, cost };
        }
        let mut wait = self.backoff.wait(retries_done + 1, pause);
        if !pause.is_zero() {
            // The pause fits. The jitter on top of it is not worth giving up for.
            wait = wait.min(longest.max(pause));
        }
        if wait > longest {
            return Verdict::Stop(NotRetried::Deadline);
        }
        Verdict::Retry { wait, cost }
    }

    /// Applies the table, without what stands against a retry that it allows.
    fn allowed(&self, call: Call, outcome: Outcome) -> Result<Allowed, Verdict> {
        let stop = |reason| Err(Verdict::Stop(reason));
        let (allowed, whatever_the_method) = match outcome {
            Outcome::DeadlinePassed => return stop(NotRetried::Deadline),
            Outcome::Failure {
                retryable: false, ..
            } => return stop(NotRetried::NotRetryable),
            Outcome::Failure {
                transmission: Transmission::NotSent,
                ..
            } => return Ok(Allowed::FREE),
            Outcome::Failure { .. } => (Allowed::charged(Duration::ZERO), false),
            Outcome::Answer(answer) => match self.asks_for(call, answer) {
                Asks::Nothing => return Err(Verdict::Accept),
                Asks::NoRetry => return stop(NotRetried::NotRetryable),
                Asks::Retry(_) | Asks::RetryOfAny(_) | Asks::RetryUnexecuted if answer.said_no => {
                    return stop(NotRetried::PeerSaidNo);
                }
                Asks::RetryUnexecuted => {
                    return Ok(Allowed::FREE.or_elsewhere(answer));
                }
                Asks::RetryOfAny(pause) => (Allowed::charged(pause).or_elsewhere(answer), true),
                Asks::Retry(pause) => (Allowed::charged(pause), false),
            },
        };
        if call.chained {
            return stop(NotRetried::ChainStop);
        }
        if whatever_the_method || call.replay_safe {
            Ok(allowed)
        } else {
            stop(NotRetried::NotReplaySafe)
        }
    }

    fn asks_for(&self, call: Call, answer: Answered) -> Asks {
        match (answer.status.as_u16(), answer.retry_after) {
            (200..=299, _) => Asks::Nothing,
            (503, _) if answer.closing && self.trust_closing_answer => Asks::RetryUnexecuted,
            (429 | 503, Some(pause)) => Asks::RetryOfAny(pause),
            (409, Some(pause)) if call.keyed => Asks::RetryOfAny(pause),
            (501 | 505, _) => Asks::NoRetry,
            (500..=599, pause) => Asks::Retry(pause.unwrap_or_default()),
            _ => Asks::NoRetry,
        }
    }
}

/// What a status asks for.
enum Asks {
    Nothing,
    NoRetry,
    /// A retry after this pause, if the call may be replayed.
    Retry(Duration),
    /// A retry after this pause, whatever the method: the peer did not execute the request.
    RetryOfAny(Duration),
    /// A retry, whatever the method: the peer did not even look at the request.
    RetryUnexecuted,
}

/// A retry that the table allows.
struct Allowed {
    pause: Duration,
    cost: Cost,
    another_is_well: bool,
}

impl Allowed {
    const FREE: Self = Self {
        pause: Duration::ZERO,
        cost: Cost::Free,
        another_is_well: false,
    };

    const fn charged(pause: Duration) -> Self {
        Self {
            pause,
            cost: Cost::Charged,
            another_is_well: false,
        }
    }

    /// The same, at another endpoint if there is one that is well.
    const fn or_elsewhere(self, answer: Answered) -> Self {
        Self {
            another_is_well: answer.another_is_well,
            ..self
        }
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("retries", &self.retries)
            .field("scope", &self.scope)
            .field("backoff", &self.backoff)
            .field("max_retry_after", &self.max_retry_after)
            .field("trust_closing_answer", &self.trust_closing_answer)
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
