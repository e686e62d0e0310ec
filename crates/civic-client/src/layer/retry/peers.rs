//! What is remembered about peers.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use http::uri::Authority;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::layer::retry::budget::{Balance, RetryBudget};
use crate::layer::retry::rate_limit::{Limit, Route, Told};
use crate::layer::retry::route_name::RouteName;
use crate::lru::Lru;

/// How many retries of one peer are logged per second; the others are counted.
const LINES_PER_SECOND: u64 = 10;

/// What is remembered about peers from one call to the next: how many retries they were worth, and
/// their rate limits.
///
/// A peer is the authority of a URL, `host:port`. A [`RetryPolicy`](crate::RetryPolicy) has a
/// memory, and its clones, the layers that are made of it and the clones of a client share it.
/// Clients that are built apart share a memory only if both get it:
///
/// ```
/// use civic_client::{Error, PeerMemory, ServiceClient};
///
/// # fn main() -> Result<(), Error> {
/// let memory = PeerMemory::new();
/// let bills = ServiceClient::builder("http://billing:3021").anonymous();
/// let reports = ServiceClient::builder("http://billing:3021").anonymous();
/// let bills = bills.peer_memory(memory.clone()).build()?;
/// let reports = reports.peer_memory(memory).build()?;
/// # let _ = (bills, reports);
/// # Ok(())
/// # }
/// ```
///
/// # Rate limits
///
/// A peer that limits how often it may be called says so: with 429, and with `x-ratelimit-limit`,
/// `-remaining` and `-reset` on every answer. A call that would only be refused is not sent. It
/// waits until the limit is reset: with a deadline if that is early enough for it, without one at
/// most 10 s ([`RetryPolicy::with_max_retry_after`](crate::RetryPolicy::with_max_retry_after)).
/// Otherwise it ends at once with [`ErrorKind::RateLimited`](crate::ErrorKind::RateLimited), and
/// the error says how long that would have been.
///
/// Routes whose answers name the same `x-ratelimit-limit` share a limit; the others go on. What a
/// peer says is believed for at most 60 s. Then one call probes, and the others wait for its
/// answer. If that says how many more calls there may be, so many go out. If it says nothing, the
/// others follow scattered over half a second (the first wait of the [`Backoff`](crate::Backoff)):
/// a peer that refuses what it cannot take at once would only refuse them again. It is a hint: a
/// process that shares its address with another one may still be answered 429.
///
/// The `Retry-After` of a 503 is no limit of the peer: another process behind the same name may be
/// well. It holds for the call that got it, and [`Transport`](crate::Transport) remembers the
/// address that sent it.
///
/// # Size
///
/// It holds at most 1024 peers, and of each 1024 routes and 1024 limits. What was not used for
/// longest makes room.
#[derive(Clone)]
pub struct PeerMemory(Arc<Inner>);

struct Inner {
    budget: Option<RetryBudget>,
    rate_limits: bool,
    start: Instant,
    peers: Mutex<Lru<Option<Authority>, Peer>>,
}

#[derive(Debug, Default)]
struct Peer {
    balance: Balance,
    log: LogLimit,
    limits: Lru<LimitName, Arc<Limit>>,
    routes: Lru<RouteName, Known>,
    /// Wakes the calls that wait for a limit.
    changed: Arc<Notify>,
}

/// What is known about a route.
#[derive(Debug, Default)]
struct Known {
    /// The limit that its last answer named.
    limit: Option<LimitName>,
    unassigned: Arc<AtomicU64>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum LimitName {
    /// The value of `x-ratelimit-limit`.
    Told(String),
    /// The limit of a route whose 429 named none.
    Route(RouteName),
}

/// Counts the lines of a second, so that an outage does not fill the log.
#[derive(Debug, Default)]
struct LogLimit {
    second: u64,
    lines: u64,
    suppressed: u64,
}

impl PeerMemory {
    /// Creates an empty memory, with the default [`RetryBudget`].
    #[must_use]
    pub fn new() -> Self {
        Self::with(Some(RetryBudget::default()), true)
    }

    /// Returns an empty memory with this budget for retries.
    ///
    /// Defaults to [`RetryBudget::default`].
    #[must_use]
    pub fn with_budget(self, budget: RetryBudget) -> Self {
        Self::with(Some(budget), self.0.rate_limits)
    }

    /// Returns an empty memory without a budget: every retry that the policy allows is made.
    #[must_use]
    pub fn without_budget(self) -> Self {
        Self::with(None, self.0.rate_limits)
    }

    /// Returns an empty memory that pays no attention to rate limits: every call is sent.
    #[must_use]
    pub fn without_rate_limits(self) -> Self {
        Self::with(self.0.budget, false)
    }

    fn with(budget: Option<RetryBudget>, rate_limits: bool) -> Self {
        Self(Arc::new(Inner {
            budget,
            rate_limits,
            start: Instant::now(),
            peers: Mutex::default(),
        }))
    }

    /// Counts a call.
    pub(super) fn called(&self, peer: Option<&Authority>) {
        self.peer(peer, |peer, second| peer.balance.deposit(second));
    }

    /// Counts a retry, if the budget allows another one.
    pub(super) fn may_retry(&self, peer: Option<&Authority>) -> bool {
        self.0.budget.is_none_or(|budget| {
            self.peer(peer, |peer, second| peer.balance.withdraw(budget, second))
        })
    }

    /// Returns what is known about `route`; `None` if no attention is paid to limits.
    pub(super) fn route(&self, peer: Option<&Authority>, route: &RouteName) -> Option<Route> {
        self.0.rate_limits.then(|| {
            self.peer(peer, |peer, _| {
                let known = peer.routes.or_insert_with(route, Known::default);
                Route {
                    limit: known
                        .limit
                        .as_ref()
                        .map(|name| Arc::clone(peer.limits.or_insert_with(name, Arc::default))),
                    unassigned: Arc::clone(&known.unassigned),
                    changed: Arc::clone(&peer.changed),
                }
            })
        })
    }

    /// Notes what an answer told about the limit of `route`.
    pub(super) fn told(&self, peer: Option<&Authority>, route: &RouteName, told: &Told) {
        if !self.0.rate_limits {
            return;
        }
        let name = match &told.name {
            Some(name) => LimitName::Told(name.clone()),
            None => LimitName::Route(route.clone()),
        };
        let limit = self.peer(peer, |peer, _| {
            peer.routes.or_insert_with(route, Known::default).limit = Some(name.clone());
            Arc::clone(peer.limits.or_insert_with(&name, Arc::default))
        });
        limit.note(told);
    }

    /// Returns how many lines were suppressed since the last one, if there may be another line.
    pub(super) fn may_log(&self, peer: Option<&Authority>) -> Option<u64> {
        self.peer(peer, |peer, second| peer.log.line(second))
    }

    fn peer<R>(&self, peer: Option<&Authority>, work: impl FnOnce(&mut Peer, u64) -> R) -> R {
        let second = self.0.start.elapsed().as_secs();
        let mut peers = self.0.peers.lock().unwrap_or_else(PoisonError::into_inner);
        work(peers.or_insert_with(&peer.cloned(), Peer::default), second)
    }
}

impl Default for PeerMemory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PeerMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerMemory")
            .field("budget", &self.0.budget)
            .field("rate_limits", &self.0.rate_limits)
            .finish_non_exhaustive()
    }
}

impl LogLimit {
    fn line(&mut self, second: u64) -> Option<u64> {
        if self.second != second {
            (self.second, self.lines) = (second, 0);
        }
        self.lines += 1;
        if self.lines > LINES_PER_SECOND {
            self.suppressed += 1;
            return None;
        }
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_ten_lines_and_the_next_line_says_how_many_were_suppressed() {
        let mut log = LogLimit::default();
        let lines = |log: &mut LogLimit, second| {
            std::iter::repeat_with(|| log.line(second))
                .take(30)
                .flatten()
                .collect::<Vec<_>>()
        };
        assert_eq!(lines(&mut log, 0), [0; 10]);
        assert_eq!(lines(&mut log, 7), [20, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
