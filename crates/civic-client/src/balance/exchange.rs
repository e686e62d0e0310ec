//! An exchange with an endpoint, from its choice to its end.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Extensions, StatusCode};
use tokio::time::Instant;

use crate::attempt::{Attempt, Unrepeatable};
use crate::balance::balancer::{Balancer, Choice, Probing, Unchosen};
use crate::balance::outcome::Outcome;
use crate::balance::record::Ended;
use crate::error::Error;
use crate::error_kind::ErrorKind;
use crate::layer::attempt_timeout::AttemptTimeoutLayer;
use crate::options::CallOptions;
use crate::streaming::Held;

/// The least that a failure counts as: a caller in a hurry must not make it look cheap.
const MIN_PENALTY: Duration = Duration::from_secs(1);

/// An exchange with an endpoint, from its choice to its end.
///
/// It is under way until it is told how it ended, or is dropped. One that is dropped at the end of
/// its attempt's time has failed; one that is dropped earlier, or because the deadline of the call
/// has come, was given up by the caller.
pub(crate) struct Exchange<K: Clone + Eq + fmt::Debug + Hash> {
    balancer: Balancer<K>,
    choice: Choice<K>,
    limits: Limits,
    /// What the head of the response says.
    answer: Option<Outcome>,
    is_ended: bool,
}

/// An exchange whose head was a success, and whose body is read as slowly as the caller likes. It
/// stands in the extensions of the response until there is a body to watch. The first of its copies
/// that says how the body has ended is believed.
#[derive(Clone)]
pub(crate) struct BreakWatch(Arc<dyn Settle>);

trait Settle: Send + Sync {
    /// Notes how the body has ended.
    fn settle(&self, outcome: Outcome);
}

/// What is known about such an exchange. If it is dropped, the reader has had enough.
struct Arrived<K: Clone + Eq + fmt::Debug + Hash + Send + Sync> {
    balancer: Balancer<K>,
    choice: Choice<K>,
    penalty: Duration,
    /// When the head was there.
    head: Instant,
    is_settled: AtomicBool,
}

/// How long the exchange may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// What a failure counts as.
    penalty: Duration,
    /// When it has taken too long; `None` if the deadline of the call comes first.
    until: Option<Instant>,
}

impl<K: Clone + Eq + fmt::Debug + Hash> Exchange<K> {
    /// Begins an exchange with the best of `keys`, for the attempt with these extensions.
    pub(crate) fn begin(
        balancer: &Balancer<K>,
        keys: &[K],
        used: &[K],
        extensions: &Extensions,
    ) -> Result<Self, Error> {
        let probing = if !used.is_empty() {
            Probing::Forbidden
        } else if extensions.get::<Unrepeatable>().is_some() {
            Probing::IfOverdue
        } else {
            Probing::Allowed
        };
        let choice = balancer
            .choose(keys, used, probing)
            .map_err(|unchosen| match unchosen {
                Unchosen::NoEndpoint => Error::new(ErrorKind::Connect)
                    .with_detail("no endpoint is known; see what Discover returns"),
                Unchosen::AllOpen(wait) => Error::new(ErrorKind::CircuitOpen)
                    .with_detail("every endpoint failed too often, and none is due for a probe")
                    .with_retry_after(wait),
            })?;
        Ok(Self::new(balancer, choice, Limits::of(extensions)))
    }

    fn new(balancer: &Balancer<K>, choice: Choice<K>, limits: Limits) -> Self {
        Self {
            balancer: balancer.clone(),
            choice,
            limits,
            answer: None,
            is_ended: false,
        }
    }

    /// Returns the endpoint.
    pub(crate) const fn key(&self) -> &K {
        &self.choice.key
    }

    /// Moves the exchange to another endpoint, because this one could not be reached.
    pub(crate) fn moved_to(self, key: &K) -> Self {
        let choice = self.balancer.begin(key);
        let moved = Self::new(&self.balancer, choice, self.limits);
        self.end(Outcome::Failed);
        moved
    }

    /// Notes the status of the response, whose body is still to come.
    pub(crate) fn note_status(&mut self, status: StatusCode) {
        self.answer = Some(Outcome::of_status(status));
    }

    /// Ends the exchange after the whole of the response.
    pub(crate) fn complete(self) {
        let outcome = self.answer.unwrap_or(Outcome::Succeeded);
        self.end(outcome);
    }

    /// Ends the exchange.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.note_end(outcome);
    }

    fn note_end(&mut self, outcome: Outcome) {
        if self.is_ended {
            return;
        }
        self.is_ended = true;
        let ended = Ended {
            id: self.choice.id,
            outcome,
            penalty: self.limits.penalty,
            chance: 0.0,
        };
        self.balancer.end(&self.choice.key, ended);
    }
}

impl<K: Clone + Eq + fmt::Debug + Hash + Send + Sync + 'static> Exchange<K> {
    /// Ends an exchange whose body is read as slowly as the caller likes. Whether it has succeeded
    /// is known at the end of the body; until then it counts as a success.
    pub(crate) fn complete_head(self) -> BreakWatch {
        let arrived = Arrived {
            balancer: self.balancer.clone(),
            choice: self.choice.clone(),
            penalty: self.limits.penalty,
            head: Instant::now(),
            is_settled: AtomicBool::new(false),
        };
        self.end(Outcome::Begun);
        BreakWatch(Arc::new(arrived))
    }
}

impl<K: Clone + Eq + fmt::Debug + Hash> Drop for Exchange<K> {
    fn drop(&mut self) {
        let is_late = self
            .limits
            .until
            .is_some_and(|until| Instant::now() >= until);
        let outcome = match self.answer {
            // The rest of the body would have told no more.
            Some(answer) if answer != Outcome::Succeeded => answer,
            _ if is_late => Outcome::Failed,
            _ => Outcome::Abandoned,
        };
        self.note_end(outcome);
    }
}

impl<K: Clone + Eq + fmt::Debug + Hash> fmt::Debug for Exchange<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("endpoint", &self.choice.key)
            .finish_non_exhaustive()
    }
}

// ===== impl Arrived =====

impl<K: Clone + Eq + fmt::Debug + Hash + Send + Sync> Settle for Arrived<K> {
    fn settle(&self, outcome: Outcome) {
        if self.is_settled.swap(true, Ordering::Relaxed) {
            return;
        }
        let ended = Ended {
            id: self.choice.id,
            outcome,
            penalty: self.penalty,
            chance: 0.0,
        };
        self.balancer.settle(&self.choice.key, ended, self.head);
    }
}

impl<K: Clone + Eq + fmt::Debug + Hash + Send + Sync> Drop for Arrived<K> {
    fn drop(&mut self) {
        self.settle(Outcome::Succeeded);
    }
}

// ===== impl BreakWatch =====

impl Held for BreakWatch {
    fn completed(&mut self) {
        self.0.settle(Outcome::Succeeded);
    }

    fn broke(&mut self, error: &Error) {
        self.0.settle(Outcome::of_error(error));
    }
}

// ===== impl Limits =====

impl Limits {
    fn of(extensions: &Extensions) -> Self {
        let Some(attempt) = Attempt::of(extensions) else {
            return Self {
                penalty: AttemptTimeoutLayer::DEFAULT,
                until: None,
            };
        };
        let until = attempt.until;
        let remaining = until.saturating_duration_since(Instant::now());
        let is_timeout = CallOptions::of(extensions)
            .deadline()
            .is_none_or(|deadline| until < deadline);
        Self {
            penalty: remaining.max(MIN_PENALTY),
            until: is_timeout.then_some(until),
        }
    }
}
