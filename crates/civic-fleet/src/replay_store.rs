//! Which tokens were used, remembered among all replicas: a [`ReplayStore`] over a lock service.
//!
//! civic-auth knows no store, and civic-lock knows no tokens; a service that has both joins them.
//! The use of a token is something that is done once, under a key that is made of the token: the
//! replica that begins it lets the request in, and every other one finds that it was begun.
//!
//! It asks the store twice per request, to begin and to end. If the end cannot be recorded, the
//! request is not let in; its token stays used.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use civic_auth::{ReplayStore, ReplayStoreError, TokenUse, UsedToken};
use civic_lock::{Delivery, LockService, OnceBegun};

/// The shortest time for which a lock service retains what was done.
const MIN_RETENTION: Duration = Duration::from_secs(1);

/// Remembers used tokens in the store of a lock service.
#[derive(Clone, Debug)]
pub(crate) struct OnceReplayStore {
    locks: LockService,
}

// ===== impl OnceReplayStore =====

impl OnceReplayStore {
    pub(crate) fn new(locks: &LockService) -> Self {
        Self {
            locks: locks.clone(),
        }
    }

    async fn use_once(
        &self,
        token: UsedToken,
        until: SystemTime,
    ) -> Result<TokenUse, ReplayStoreError> {
        // A token that expires while it is asked about is still one that was used.
        let left = until.duration_since(SystemTime::now()).unwrap_or_default();
        let begun = self
            .locks
            .once(format!("used-token:{token}"))
            .delivery(Delivery::AtMostOnce)
            .retain(left.max(MIN_RETENTION))
            .begin()
            .await;
        match begun {
            OnceBegun::Started(run) => match run.complete_without_result().await {
                Ok(_) => Ok(TokenUse::First),
                Err(error) => Err(ReplayStoreError::unavailable(error)),
            },
            OnceBegun::Done(_)
            | OnceBegun::Running { .. }
            | OnceBegun::InDoubt { .. }
            | OnceBegun::Different => Ok(TokenUse::Repeated),
            OnceBegun::Unavailable(error) | OnceBegun::Invalid(error) => {
                Err(ReplayStoreError::unavailable(error))
            }
        }
    }
}

impl ReplayStore for OnceReplayStore {
    fn remember(
        &self,
        token: UsedToken,
        until: SystemTime,
    ) -> Pin<Box<dyn Future<Output = Result<TokenUse, ReplayStoreError>> + Send + '_>> {
        Box::pin(self.use_once(token, until))
    }
}
