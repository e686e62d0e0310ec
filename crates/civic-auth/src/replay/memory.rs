//! The memory of one process.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::store::{ReplayStore, ReplayStoreError, TokenUse};
use super::used_token::UsedToken;
use crate::clock::Clock;

/// Remembers used tokens in this process, and so many of them at most.
///
/// It is right for a service that runs as one replica. Each replica accepts a token once.
///
/// When it is full, it says so and forgets nothing: a token that is forgotten while it lives can be
/// used again, and a caller that could fill the memory could choose which. A token takes about 150
/// bytes and stays for less than 36 seconds (66 with the largest skew), so 36 000 tokens are enough
/// for 1000 requests per second.
pub struct MemoryReplayStore {
    max_tokens: usize,
    clock: Clock,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    tokens: HashSet<UsedToken>,
    /// By the second since 1970 in which they are forgotten.
    until: BTreeMap<u64, Vec<UsedToken>>,
}

// ===== impl MemoryReplayStore =====

impl MemoryReplayStore {
    /// Creates a memory for at most `max_tokens` tokens. It grows as it is needed.
    #[must_use]
    pub fn new(max_tokens: usize) -> Self {
        Self {
            max_tokens,
            clock: Clock::default(),
            used: Mutex::default(),
        }
    }

    /// Sets where the time comes from.
    ///
    /// Defaults to [`SystemTime::now`].
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(clock);
        self
    }

    fn remember_now(
        &self,
        token: UsedToken,
        until: SystemTime,
    ) -> Result<TokenUse, ReplayStoreError> {
        // With a clock that stands before 1970 nothing is forgotten, and every token has expired.
        let now = self.clock.since_epoch().unwrap_or_default();
        let until = until.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.forget(now);
        if used.tokens.contains(&token) {
            return Ok(TokenUse::Repeated);
        }
        if used.tokens.len() >= self.max_tokens {
            return Err(ReplayStoreError::Full);
        }
        used.tokens.insert(token);
        let second = until.as_secs() + u64::from(until.subsec_nanos() > 0);
        used.until.entry(second).or_default().push(token);
        Ok(TokenUse::First)
    }
}

impl ReplayStore for MemoryReplayStore {
    fn remember(
        &self,
        token: UsedToken,
        until: SystemTime,
    ) -> Pin<Box<dyn Future<Output = Result<TokenUse, ReplayStoreError>> + Send + '_>> {
        Box::pin(ready(self.remember_now(token, until)))
    }
}

impl fmt::Debug for MemoryReplayStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryReplayStore")
            .field("max_tokens", &self.max_tokens)
            .finish_non_exhaustive()
    }
}

// ===== impl Used =====

impl Used {
    fn forget(&mut self, now: Duration) {
        while let Some(second) = self.until.first_entry()
            && *second.key() <= now.as_secs()
        {
            for token in second.remove() {
                self.tokens.remove(&token);
            }
        }
    }
}
