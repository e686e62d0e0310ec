//! The guard's question: was this token used before?

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Method;
use tokio::time::timeout;

use super::on_outage::OnStoreOutage;
use super::outages::Outages;
use super::store::{ReplayStore, ReplayStoreError, TokenUse};
use super::used_token::UsedToken;
use crate::error::Cause;
use crate::verify::Principal;

/// How long the store may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// Makes a guard accept each service token that has a `jti` once. Given to
/// [`AuthLayer::with_replay_protection`](crate::AuthLayer::with_replay_protection).
///
/// A second use is answered with 401. Clones share the store.
///
/// ```
/// use civic_auth::{
///     AuthLayer, MemoryReplayStore, OnStoreOutage, ReplayProtection, Secret, TokenVerifier,
/// };
///
/// # fn main() -> Result<(), civic_auth::ConfigError> {
/// let secret = Secret::new("0123456789abcdef0123456789abcdef")?;
/// let once = ReplayProtection::new(MemoryReplayStore::new(50_000), OnStoreOutage::Refuse);
/// let guard = AuthLayer::new(TokenVerifier::new(secret)).with_replay_protection(once);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ReplayProtection {
    store: Arc<dyn ReplayStore>,
    on_outage: OnStoreOutage,
    methods: Methods,
    timeout: Duration,
    outages: Arc<Outages>,
}

/// Whose tokens are remembered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Methods {
    Unsafe,
    All,
}

// ===== impl ReplayProtection =====

impl ReplayProtection {
    /// Creates a protection that asks `store`, and that does `on_outage` when it cannot tell.
    pub fn new(store: impl ReplayStore + 'static, on_outage: OnStoreOutage) -> Self {
        Self {
            store: Arc::new(store),
            on_outage,
            methods: Methods::Unsafe,
            timeout: DEFAULT_TIMEOUT,
            outages: Arc::default(),
        }
    }

    /// Also refuses the second use of a token by `GET`, `HEAD`, `OPTIONS` and `TRACE`.
    ///
    /// Each of them then costs a question to the store. It also closes a gap: the token of a
    /// captured `GET`, which is otherwise not remembered, could be used for one `POST`.
    ///
    /// Defaults to the other methods, which could change something.
    #[must_use]
    pub fn with_every_method(mut self) -> Self {
        self.methods = Methods::All;
        self
    }

    /// Sets how long the store may take. After that it counts as one that cannot tell.
    ///
    /// Defaults to 1 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns the question about an accepted token, if there is one: it is a service's, it has an
    /// id, and the method counts.
    pub(crate) fn question(
        &self,
        method: &Method,
        principal: &Principal,
        until: SystemTime,
    ) -> Option<Pin<Box<dyn Future<Output = Result<(), Cause>> + Send>>> {
        let id = principal.token_id().filter(|id| !id.is_empty())?;
        if !principal.is_service() || (method.is_safe() && self.methods == Methods::Unsafe) {
            return None;
        }
        let token = UsedToken::new(principal.issuer(), id);
        Some(Box::pin(self.clone().ask(token, until)))
    }

    async fn ask(self, token: UsedToken, until: SystemTime) -> Result<(), Cause> {
        let answer = timeout(self.timeout, self.store.remember(token, until)).await;
        let error = match answer {
            Ok(Ok(TokenUse::First)) => return Ok(()),
            Ok(Ok(TokenUse::Repeated)) => return Err(Cause::Replayed),
            Ok(Err(error)) => error,
            Err(elapsed) => ReplayStoreError::unavailable(elapsed),
        };
        self.outages.note(&error, self.on_outage);
        match (self.on_outage, error) {
            (OnStoreOutage::Accept, _) => Ok(()),
            (OnStoreOutage::Refuse, ReplayStoreError::Full) => Err(Cause::ReplayStoreFull),
            (OnStoreOutage::Refuse, ReplayStoreError::Unavailable(_)) => {
                Err(Cause::ReplayStoreUnavailable)
            }
        }
    }
}

impl fmt::Debug for ReplayProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayProtection")
            .field("on_outage", &self.on_outage)
            .field("methods", &self.methods)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
