//! What is remembered about peers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::uri::Authority;
use tokio::time::Instant;

use crate::layer::retry::budget::{Balance, RetryBudget};
use crate::lru::Lru;

/// How many retries of one peer are logged per second; the others are counted.
const LINES_PER_SECOND: u64 = 10;

/// What is remembered about peers from one call to the next: how many retries they were worth.
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
/// It holds at most 1024 peers, and forgets the one that was not called for longest.
#[derive(Clone)]
pub struct PeerMemory(Arc<Inner>);

struct Inner {
    budget: Option<RetryBudget>,
    start: Instant,
    peers: Mutex<Lru<Option<Authority>, Peer>>,
}

#[derive(Debug, Default)]
struct Peer {
    balance: Balance,
    log: LogLimit,
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
        Self::with(Some(RetryBudget::default()))
    }

    /// Returns an empty memory with this budget for retries.
    ///
    /// Defaults to [`RetryBudget::default`].
    #[must_use]
    pub fn with_budget(self, budget: RetryBudget) -> Self {
        Self::with(Some(budget))
    }

    /// Returns an empty memory without a budget: every retry that the policy allows is made.
    #[must_use]
    pub fn without_budget(self) -> Self {
        Self::with(None)
    }

    fn with(budget: Option<RetryBudget>) -> Self {
        Self(Arc::new(Inner {
            budget,
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
