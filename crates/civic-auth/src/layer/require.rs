//! A requirement of a route about its caller.
//!
//! It stands behind a guard and looks at the principal only. A request without a principal is
//! answered with 401, even if the guard in front was forgotten: never with a panic or a 500.

use std::task::{Context, Poll};

use civic_envelope::inner_accessors;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::body::AuthBody;
use super::verdict::VerdictFuture;
use crate::error::{AuthError, Cause};
use crate::verify::Principal;

/// What a route requires of its caller.
///
/// [`RequireRoleLayer`](super::RequireRoleLayer) and
/// [`RequireTenantLayer`](super::RequireTenantLayer) are requirements.
pub trait Requirement {
    /// Returns why this caller is refused, if it is.
    ///
    /// # Errors
    ///
    /// The [`AuthError`] that the request is answered with.
    fn check(&self, principal: &Principal) -> Result<(), AuthError>;
}

/// Lets a request in only if its principal meets a [`Requirement`].
///
/// Made by [`RequireRoleLayer`](super::RequireRoleLayer) and
/// [`RequireTenantLayer`](super::RequireTenantLayer). The answer to a refused request has the
/// [`AuthError`] in its extensions.
#[derive(Clone, Debug)]
pub struct Require<S, R> {
    inner: S,
    requirement: R,
}

// ===== impl Require =====

impl<S, R> Require<S, R> {
    /// Creates a service that wraps `inner` and lets in what meets `requirement`.
    pub const fn new(inner: S, requirement: R) -> Self {
        Self { inner, requirement }
    }

    inner_accessors!();
}

impl<S, R, ReqB, ResB> Service<Request<ReqB>> for Require<S, R>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    R: Requirement,
    ReqB: Body,
{
    type Response = Response<AuthBody<ResB>>;
    type Error = S::Error;
    type Future = VerdictFuture<S::Future, ReqB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let checked = request
            .extensions()
            .get::<Principal>()
            .ok_or_else(|| Cause::NothingSent.into())
            .and_then(|principal| self.requirement.check(principal));
        match checked {
            Ok(()) => VerdictFuture::inner(self.inner.call(request)),
            Err(error) => VerdictFuture::refused(error, request),
        }
    }
}
