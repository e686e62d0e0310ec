//! The layer, and its settings.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::balance::{Balancer, BreakerPolicy, Discover, Endpoint, Watcher};
use crate::observe::{BreakerEvent, Observer};
use crate::random::random;
use crate::wall_clock::WallClock;

/// Sends each attempt to one of the endpoints of a service, by the rules of
/// [`balance`](crate::balance).
///
/// The request keeps its path, and its `Host` is the name of the service, unless the endpoint has
/// [a name of its own](Endpoint::with_own_host). What changes is the authority of its URL, which
/// the inner service connects to: any HTTP client can stand below.
///
/// **A request that was never sent goes on at once.** If an endpoint cannot be reached, up to two
/// others that are well are tried within the same attempt, under the same timeout and without a
/// wait, as [`Transport`](crate::Transport) tries the addresses of a name. Where none is left, the
/// attempt has failed, and the retry waits. A certificate that is not accepted ends the attempt.
///
/// **What an endpoint asks for is about itself.** After a 503 with `Retry-After`, and after that of
/// a Fastify that is closing, the first retry of the call does not wait if another endpoint is
/// well. A further one waits as it was asked to, so that a service whose every process has too much
/// to do gets one request more and not three at once.
///
/// The layer belongs inside of the retry layer, so that each attempt has a choice of its own;
/// inside of [`AttemptTimeoutLayer`](crate::AttemptTimeoutLayer), so that an endpoint that swallows
/// requests is noticed; and outside of [`CollectBodyLayer`](crate::CollectBodyLayer), so that the
/// time of an exchange includes the last byte of its body.
///
/// All services that one layer makes, and its clones, share what is known about the endpoints.
///
/// ```
/// use civic_client::Transport;
/// use civic_client::balance::StaticEndpoints;
/// use civic_client::layer::{AttemptTimeoutLayer, BalanceLayer, CollectBodyLayer, RetryLayer};
/// use tower::ServiceBuilder;
///
/// let endpoints = StaticEndpoints::parse("10.0.0.7:3020, 10.0.0.8:3020")?;
/// let stack = ServiceBuilder::new()
///     .layer(RetryLayer::default())
///     .layer(AttemptTimeoutLayer::default())
///     .layer(BalanceLayer::new(endpoints))
///     .layer(CollectBodyLayer::new())
///     .service(Transport::default());
/// # let _ = stack;
/// # Ok::<(), civic_client::Error>(())
/// ```
#[derive(Clone)]
pub struct BalanceLayer {
    pub(super) discover: Arc<dyn Discover>,
    pub(super) balancer: Balancer<Endpoint>,
    seed: Option<u64>,
    observer: Option<Arc<dyn Observer>>,
    pub(super) clock: WallClock,
}

impl BalanceLayer {
    /// Creates a layer that balances over the endpoints that `discover` knows.
    #[must_use]
    pub fn new(discover: impl Discover) -> Self {
        Self::over(
            Arc::new(discover),
            BreakerPolicy::new(),
            WallClock::default(),
        )
    }

    pub(crate) fn over(
        discover: Arc<dyn Discover>,
        policy: BreakerPolicy,
        clock: WallClock,
    ) -> Self {
        Self {
            discover,
            balancer: Balancer::new(policy),
            seed: None,
            observer: None,
            clock,
        }
    }

    /// Sets when an endpoint is left alone. The layer forgets what it knew.
    ///
    /// Defaults to [`BreakerPolicy::new`].
    #[must_use]
    pub fn with_breaker(self, policy: BreakerPolicy) -> Self {
        self.anew(policy)
    }

    /// Sets the seed of the random numbers, so that every run makes the same choices. The layer
    /// forgets what it knew.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        let policy = *self.balancer.policy();
        self.anew(policy)
    }

    /// Sets who is told when the breaker of an endpoint changes its state
    /// ([`Observer::breaker_changed`]). The layer forgets what it knew.
    ///
    /// Defaults to none.
    #[must_use]
    pub fn with_observer(self, observer: impl Observer) -> Self {
        self.observed(Some(Arc::new(observer)))
    }

    pub(crate) fn observed(mut self, observer: Option<Arc<dyn Observer>>) -> Self {
        self.observer = observer;
        let policy = *self.balancer.policy();
        self.anew(policy)
    }

    fn anew(mut self, policy: BreakerPolicy) -> Self {
        let watcher = self.observer.clone().map(|observer| {
            Watcher::new(move |endpoint: &Endpoint, state| {
                observer.breaker_changed(&BreakerEvent::new(endpoint.place(), None, state));
            })
        });
        let seed = self.seed.unwrap_or_else(random);
        self.balancer = Balancer::watched(policy, seed, watcher);
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
}

impl fmt::Debug for BalanceLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BalanceLayer")
            .field("balancer", &self.balancer)
            .finish_non_exhaustive()
    }
}
