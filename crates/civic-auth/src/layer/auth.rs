//! The guard in front of a service: a request without an accepted token gets no further.
//!
//! - A request that [`TokenVerifier::verify`] accepts goes on with its [`Principal`] in the
//!   extensions.
//! - With [replay protection](AuthLayer::with_replay_protection), a last question goes to the store
//!   of used tokens, and the request waits for its answer.
//! - Any other request is answered here and never reaches the inner service. Its body is read
//!   first, to its end, for 32 MiB or for 2 s, so that the answer to a large upload arrives.
//! - A request whose token names a key that is not there, or that finds no keys at all, waits once
//!   for the source of the keys to look for newer ones, for a second at most, and is then decided
//!   with what there is. A request whose key is there never waits for one.
//! - A request for a public path goes on without a principal, and its token is not looked at. The
//!   path is compared as a whole, as it was sent: `/health` is not `/health/`, `/healthz`,
//!   `/HEALTH`, `/health;x` or `/api?x=/health`. It is the path that this layer sees: inside a
//!   router that strips a prefix, only the rest of it.
//!
//! Prefer composition, which is a guard on a sub-router, to public paths: a router cannot disagree
//! with itself about what a path is.
//!
//! A [`Principal`] that was in the extensions before is removed: only this guard says who is
//! calling.

use std::collections::HashSet;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use civic_envelope::inner_accessors;
use http::{Extensions, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::admission::{Admission, Decision};
use super::audit::Auditor;
use super::auth_future::AuthFuture;
use super::body::AuthBody;
use super::guard::{Anonymous, Guard};
use super::refusals::Refusals;
use super::verdict::VerdictFuture;
use crate::replay::ReplayProtection;
use crate::txn::TransactionTokens;
use crate::verify::{Principal, TokenVerifier};

/// Lets a request in only if it has an accepted token.
///
/// The rules are listed in the [crate's documentation](crate#who-may-come-in). The answer to a
/// refused request has the [`AuthError`](crate::AuthError) in its extensions, for layers outside to
/// count and log.
#[derive(Clone, Debug)]
#[doc(alias = "AuthGuard")]
pub struct AuthLayer {
    guard: Guard,
    public_paths: Arc<HashSet<String>>,
    auditor: Option<Auditor>,
}

/// Lets a request in only if it has an accepted token. Made by [`AuthLayer`].
#[derive(Clone, Debug)]
pub struct Auth<S> {
    inner: S,
    guard: Guard,
    public_paths: Arc<HashSet<String>>,
    auditor: Option<Auditor>,
}

// ===== impl AuthLayer =====

impl AuthLayer {
    /// Creates a layer whose services accept what `verifier` accepts.
    #[must_use]
    pub fn new(verifier: TokenVerifier) -> Self {
        Self {
            guard: Guard {
                admission: Admission {
                    verifier,
                    transactions: None,
                    replay: None,
                },
                anonymous: Anonymous::Refused,
                refusals: Arc::new(Refusals::default()),
            },
            public_paths: Arc::default(),
            auditor: None,
        }
    }

    /// Lets every caller in to these paths, each compared as a whole and as it is sent on the wire.
    ///
    /// Inside a router that strips a prefix (axum's `nest`), the path is only the rest: `/health`
    /// there also opens `/prefix/health`.
    ///
    /// Defaults to none. A text that does not begin with `/` is not a path and opens nothing, not
    /// even `OPTIONS *`.
    #[must_use]
    #[doc(alias = "Public")]
    pub fn with_public_paths<I>(mut self, paths: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let paths = paths.into_iter().map(Into::into);
        Arc::make_mut(&mut self.public_paths)
            .extend(paths.filter(|path: &String| path.starts_with('/')));
        self
    }

    /// Reads for whom a service calls, mints a token for each user who is admitted, and lets every
    /// call that the request causes carry it on.
    ///
    /// The calls find it in the [`RequestContext`](crate::RequestContext), so a
    /// [`CorrelationIdLayer`](super::CorrelationIdLayer) belongs outside.
    ///
    /// Defaults to ignoring the header.
    #[must_use]
    pub fn with_transactions(mut self, tokens: TransactionTokens) -> Self {
        self.guard.admission.transactions = Some(tokens);
        self
    }

    /// Writes one event per request at level `INFO`, with the target `civic_auth::audit`: `caller`,
    /// `on_behalf_of`, `tenant`, `method`, `route`, `outcome`, `status`, `duration_ms` and
    /// `correlation_id`. It has no personal value.
    ///
    /// `route` finds the name of the route in the request's extensions. In an axum router, that is
    /// `|extensions| Some(extensions.get::<MatchedPath>()?.as_str().to_owned())`. The path itself
    /// is not logged, because there may be personal values in it. Public paths are not audited.
    ///
    /// Defaults to no event.
    #[must_use]
    pub fn with_audit(
        mut self,
        route: impl Fn(&Extensions) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.auditor = Some(Auditor::new(route));
        self
    }

    /// Accepts each service token that has a `jti` once: a request that someone has captured and
    /// sends again is answered with 401.
    ///
    /// The question to the store is the last one, about a token that has kept every other rule. A
    /// guard that is asked twice about one request refuses it, so with one store such a request
    /// passes one guard only.
    ///
    /// Defaults to accepting a token any number of times until it expires.
    #[must_use]
    pub fn with_replay_protection(mut self, protection: ReplayProtection) -> Self {
        self.guard.admission.replay = Some(protection);
        self
    }

    /// Lets a request without any token in, without a principal.
    ///
    /// A token that is sent is checked all the same, and refused as ever if it is not accepted. Ask
    /// for `Option<Principal>` in the handlers behind it.
    ///
    /// Defaults to refusing such a request with 401.
    #[must_use]
    pub fn with_anonymous_callers(mut self) -> Self {
        self.guard.anonymous = Anonymous::Admitted;
        self
    }
}

impl From<TokenVerifier> for AuthLayer {
    fn from(verifier: TokenVerifier) -> Self {
        Self::new(verifier)
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth {
            inner,
            guard: self.guard.clone(),
            public_paths: Arc::clone(&self.public_paths),
            auditor: self.auditor.clone(),
        }
    }
}

// ===== impl Auth =====

impl<S> Auth<S> {
    /// Wraps `inner`, with no public path.
    pub fn new(inner: S, verifier: TokenVerifier) -> Self {
        AuthLayer::new(verifier).layer(inner)
    }

    inner_accessors!();
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Auth<S>
where
    S: Clone + Service<Request<ReqB>, Response = Response<ResB>>,
    ReqB: Body,
{
    type Response = Response<AuthBody<ResB>>;
    type Error = S::Error;
    type Future = AuthFuture<S, ReqB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        request.extensions_mut().remove::<Principal>();
        if self.public_paths.contains(request.uri().path()) {
            return AuthFuture::decided(VerdictFuture::inner(self.inner.call(request)));
        }
        let audit = self.auditor.as_ref().map(|auditor| auditor.begin(&request));
        match self.guard.admission.decide(&request) {
            Decision::Made(verdict) => {
                let inner = &mut self.inner;
                AuthFuture::decided(self.guard.conclude(inner, request, audit, verdict))
            }
            Decision::Waits(wait) => {
                // The instance that was polled ready goes along, and a clone of it stays.
                let next = self.inner.clone();
                let ready = mem::replace(&mut self.inner, next);
                AuthFuture::waiting(ready, self.guard.clone(), request, audit, wait)
            }
        }
    }
}
