//! Where used tokens are remembered.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use super::used_token::UsedToken;

/// Remembers which tokens were used.
///
/// [`MemoryReplayStore`](super::MemoryReplayStore) does so for one process. Replicas that stand
/// behind one name need a store that all of them ask, such as Redis: a token that one of them has
/// let in is otherwise let in by each of the others.
///
/// The example fleet of the repository has a store over `civic-lock`, in
/// `crates/civic-fleet/src/replay_store.rs`.
pub trait ReplayStore: Send + Sync {
    /// Remembers a token until this time, and says whether it was remembered already.
    ///
    /// It has to be one step: of two calls with one token, however close to each other, only one
    /// may return [`TokenUse::First`]. A call that fails may have remembered the token or not.
    ///
    /// # Errors
    ///
    /// [`ReplayStoreError`] if the store cannot tell.
    ///
    /// # Cancel safety
    ///
    /// The guard drops the future when it has waited for long enough. The token may be remembered
    /// all the same.
    fn remember(
        &self,
        token: UsedToken,
        until: SystemTime,
    ) -> Pin<Box<dyn Future<Output = Result<TokenUse, ReplayStoreError>> + Send + '_>>;
}

/// Whether a token was used before.
///
/// The enum is exhaustive on purpose: a store that cannot tell has failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TokenUse {
    /// The token was not used before, and is remembered from now on.
    First,
    /// The token was used before.
    Repeated,
}

/// The error of a [`ReplayStore`] that cannot tell whether a token was used.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayStoreError {
    /// The store has no room for another token. Make it larger, or add replicas.
    Full,
    /// The store did not answer, or its answer cannot be read.
    Unavailable(Box<dyn Error + Send + Sync>),
}

// ===== impl ReplayStore =====

impl<S: ReplayStore + ?Sized> ReplayStore for Arc<S> {
    fn remember(
        &self,
        token: UsedToken,
        until: SystemTime,
    ) -> Pin<Box<dyn Future<Output = Result<TokenUse, ReplayStoreError>> + Send + '_>> {
        (**self).remember(token, until)
    }
}

// ===== impl ReplayStoreError =====

impl ReplayStoreError {
    /// Creates the error of a store that did not answer.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}

impl fmt::Display for ReplayStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the store of used tokens is full: make it larger, or add replicas",
            Self::Unavailable(_) => "the store of used tokens does not answer",
        })
    }
}

impl Error for ReplayStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Full => None,
            Self::Unavailable(source) => Some(&**source),
        }
    }
}
