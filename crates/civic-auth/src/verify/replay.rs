//! The memory of used tokens: a service token with a `jti` comes in once.
//!
//! A token is remembered until no verifier would accept it any more, which is for at most 30 s +
//! skew + max(skew, 5 s). The memory is bounded: of each token it keeps 16 bytes of a hash. When it
//! is full, the next token is refused with 503, because letting it in would mean that it could come
//! in twice.
//!
//! It is that of one process. A replica does not know which tokens another one has seen.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};

use crate::error::Cause;

/// The tokens that have come in, of one verifier and its clones.
#[derive(Debug)]
pub(super) struct ReplayWindow {
    max_tokens: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    tokens: HashSet<TokenHash>,
    /// By the second in which they are forgotten.
    until: BTreeMap<u64, Vec<TokenHash>>,
}

/// The first half of a SHA-256.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct TokenHash([u8; 16]);

impl ReplayWindow {
    pub(super) fn new(max_tokens: usize) -> Self {
        Self {
            max_tokens,
            used: Mutex::default(),
        }
    }

    /// Takes note of a token that has kept every other rule, and refuses one that was noted before.
    pub(super) fn admit(
        &self,
        issuer: Option<&str>,
        token_id: &str,
        until: Duration,
        now: Duration,
    ) -> Result<(), Cause> {
        let hash = hash(issuer, token_id);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.forget(now);
        if used.tokens.contains(&hash) {
            return Err(Cause::Replayed);
        }
        if used.tokens.len() >= self.max_tokens {
            return Err(Cause::ReplayWindowFull);
        }
        used.tokens.insert(hash);
        // Rounded up: the tolerance for clocks may have a fraction of a second.
        let second = until.as_secs().saturating_add(1);
        used.until.entry(second).or_default().push(hash);
        Ok(())
    }
}

impl Used {
    fn forget(&mut self, now: Duration) {
        while let Some(second) = self.until.first_entry()
            && *second.key() <= now.as_secs()
        {
            for hash in second.remove() {
                self.tokens.remove(&hash);
            }
        }
    }
}

/// An id is one of its issuer: two services may count from 1.
fn hash(issuer: Option<&str>, token_id: &str) -> TokenHash {
    let mut context = Context::new(&SHA256);
    let issuer = issuer.unwrap_or_default();
    context.update(&issuer.len().to_be_bytes());
    context.update(issuer.as_bytes());
    context.update(token_id.as_bytes());
    let digest = context.finish();
    let mut half = [0; 16];
    half.copy_from_slice(&digest.as_ref()[..16]);
    TokenHash(half)
}
