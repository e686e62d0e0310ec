//! A service: routes in the standard stack, behind a guard, with health.

use std::error::Error;
use std::fmt;

use axum::routing::{get, get_service};
use axum::{Extension, Router};
use civic_auth::layer::AdoptDeadlineLayer;
use civic_auth::{AuthLayer, KeySetService};
use civic_envelope::EnvelopeLayer;

use crate::fallback;
use crate::layer::edge::EdgeGuardLayer;
use crate::layer::{RequestEvent, ShedLayer, StackLayer};
use crate::readiness::{self, Readiness};
use crate::shutdown::Shutdown;

/// Where the public keys of a service are found.
const KEY_SET: &str = "/.well-known/jwks.json";

/// Where orchestrators look, and what gateways pass on under the prefix.
const HEALTH: [&str; 2] = ["/health", "/health/ready"];

/// A service: its routes, in the standard stack.
///
/// What a service of the platform needs around its handlers, in the order that makes it work: a
/// correlation id on every request and answer, a span per request, the caller's deadline, the
/// guard, the response envelope, compression, and errors in one shape, whether a handler, an
/// extractor, an unknown path, a wrong method or a panic caused them. The [stack's
/// documentation](crate::layer::stack) lists the parts and argues their order.
///
/// `GET /health` and `GET /health/ready` are public and have no envelope, since probes read them:
/// at the root, where orchestrators look, and under the prefix, which is all that a gateway passes
/// on. [`Readiness`] says what they answer.
#[doc(alias = "bootstrap")]
#[derive(Debug)]
pub struct Service {
    prefix: String,
    guarded: Router,
    public: Router,
    guard: AuthLayer,
    limit: Option<ShedLayer>,
    key_set: Option<KeySetService>,
    readiness: Readiness,
    envelope: Option<EnvelopeLayer>,
    stack: StackLayer,
}

/// A prefix that no route can have.
///
/// A prefix begins with `/`, ends with another character, and has no parameters. `Debug` says the
/// same as `Display`, because that is what a `main` that returns the error prints.
#[derive(Clone, Eq, PartialEq)]
pub struct InvalidPrefix(String);

// ===== impl Service =====

impl Service {
    /// Creates a service whose routes are under `prefix`, such as `/api/billing`, behind `guard`.
    ///
    /// The guard is an [`AuthLayer`], or a `TokenVerifier` for one with its defaults.
    ///
    /// # Errors
    ///
    /// Fails if the prefix does not begin with `/`, ends with `/`, or has parameters.
    pub fn new(
        prefix: impl Into<String>,
        guard: impl Into<AuthLayer>,
    ) -> Result<Self, InvalidPrefix> {
        let prefix = prefix.into();
        let is_valid =
            prefix.starts_with('/') && !prefix.ends_with('/') && !prefix.contains(['{', '}', '*']);
        if !is_valid {
            return Err(InvalidPrefix(prefix));
        }
        Ok(Self {
            prefix,
            guarded: Router::new(),
            public: Router::new(),
            guard: guard.into(),
            limit: None,
            key_set: None,
            readiness: Readiness::new(),
            envelope: Some(EnvelopeLayer::new()),
            stack: StackLayer::new(),
        })
    }

    /// Adds routes that only callers with a valid token reach.
    ///
    /// # Panics
    ///
    /// Panics if a route with the same path and method was added before, as [`Router::merge`] does.
    #[must_use]
    pub fn guarded(mut self, routes: Router) -> Self {
        self.guarded = self.guarded.merge(routes);
        self
    }

    /// Adds routes that every caller reaches, without a token.
    ///
    /// # Panics
    ///
    /// Panics as [`guarded`](Self::guarded).
    #[must_use]
    pub fn public(mut self, routes: Router) -> Self {
        self.public = self.public.merge(routes);
        self
    }

    /// Sets what `GET /health/ready` checks.
    ///
    /// Defaults to nothing: the service is ready until the drain begins.
    #[must_use]
    pub fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// Publishes the public keys with which others verify the tokens of this service, under
    /// `/.well-known/jwks.json`, at the root and under the prefix. They are public, have no
    /// envelope, and are not counted by the [limit](Self::limit).
    ///
    /// Defaults to publishing none.
    #[must_use]
    pub fn key_set(mut self, keys: KeySetService) -> Self {
        self.key_set = Some(keys);
        self
    }

    /// Takes at most `max` requests at a time. Others are answered 503 with `Retry-After`, before
    /// the guard or a handler has seen them, which says that they were not taken.
    ///
    /// Health and unknown paths are not counted.
    ///
    /// Defaults to no limit.
    #[must_use]
    pub fn limit(mut self, max: usize) -> Self {
        self.limit = Some(ShedLayer::new(max));
        self
    }

    /// Sets the envelope's layer, with its own options.
    ///
    /// Defaults to [`EnvelopeLayer::new`]. The paths of health are excluded in any case.
    #[must_use]
    pub fn envelope(mut self, envelope: EnvelopeLayer) -> Self {
        self.envelope = Some(envelope);
        self
    }

    /// Sends answers without an envelope.
    ///
    /// Defaults to an envelope around each successful JSON answer.
    #[must_use]
    pub fn without_envelope(mut self) -> Self {
        self.envelope = None;
        self
    }

    /// Sends answers uncompressed, for a service behind a proxy that compresses.
    ///
    /// Defaults to gzip for callers that accept it, from 1 KiB on.
    #[must_use]
    pub fn without_compression(mut self) -> Self {
        self.stack = self.stack.without_compression();
        self
    }

    /// Ignores `x-request-timeout-ms`.
    ///
    /// Defaults to adopting the deadline of the caller: when it passes, the handler is dropped and
    /// the answer is 504.
    #[must_use]
    pub fn without_deadline(mut self) -> Self {
        self.stack = self.stack.without_deadline();
        self
    }

    /// Makes this service an edge of the fleet, which browsers and gateways reach directly: the
    /// internal headers of a stranger are removed, and a correlation id that is no UUID becomes
    /// one. The [edge's documentation](crate::layer::edge) has the list.
    ///
    /// Defaults to a service inside of the fleet, which believes the headers of its callers.
    #[must_use]
    pub fn edge(mut self) -> Self {
        self.stack = self.stack.with_edge();
        self
    }

    /// Tells `observer` about each request when its answer has ended, for metrics.
    ///
    /// Defaults to none. [`ObserveLayer`](crate::layer::ObserveLayer) says what an event has in it.
    #[must_use]
    pub fn observer(
        mut self,
        observer: impl Fn(&RequestEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.stack = self.stack.with_observer(observer);
        self
    }

    /// Returns the routes in the standard stack, ready to be [served](crate::Server::serve).
    ///
    /// # Panics
    ///
    /// Panics if a guarded and a public route have the same path and method, or if one of them is
    /// `/health`, `/health/ready` or the path of the [key set](Self::key_set), as [`Router::merge`]
    /// does.
    pub fn into_router(self) -> Router {
        let readiness = self.readiness;
        let ready = async move |shutdown: Option<Extension<Shutdown>>| {
            let shutdown = shutdown.map(|Extension(shutdown)| shutdown);
            readiness.answer(shutdown.as_ref()).await
        };
        let [live_path, ready_path] = HEALTH;
        let mut open = Router::new()
            .route(live_path, get(readiness::healthy))
            .route(ready_path, get(ready));
        if let Some(keys) = self.key_set {
            open = open.route(KEY_SET, get_service(keys));
        }

        let guarded = match (self.guarded.has_routes(), self.stack.is_edge()) {
            (false, _) => self.guarded,
            (true, false) => self.guarded.route_layer(self.guard),
            // Behind the guard it is known who has sent the headers that an edge withholds.
            (true, true) => {
                let routes = match self.stack.adopts_deadline() {
                    true => self.guarded.route_layer(AdoptDeadlineLayer::new()),
                    false => self.guarded,
                };
                routes.route_layer(EdgeGuardLayer::new(self.guard))
            }
        };
        let mut routes = guarded.merge(self.public);
        if let Some(limit) = self.limit
            && routes.has_routes()
        {
            routes = routes.route_layer(limit);
        }
        let bare = HEALTH.map(|path| format!("{}{path}", self.prefix));
        let stack = match self.envelope {
            None => self.stack.without_envelope(),
            Some(envelope) => {
                let envelope = envelope
                    .with_excluded_paths(HEALTH)
                    .with_excluded_paths(bare);
                self.stack.with_envelope(envelope)
            }
        };
        Router::new()
            .nest(&self.prefix, routes.merge(open.clone()))
            .merge(open)
            .fallback(fallback::not_found)
            .method_not_allowed_fallback(fallback::method_not_allowed)
            .layer(stack)
    }
}

// ===== impl InvalidPrefix =====

impl fmt::Debug for InvalidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for InvalidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} cannot be the prefix of a service's routes: it has to begin with `/`, must not end with `/`, and must not have parameters. An example is /api/billing",
            self.0
        )
    }
}

impl Error for InvalidPrefix {}
