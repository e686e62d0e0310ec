//! The requirement of a role.
//!
//! It means "this role or a higher one"; of several, the lowest counts. A request without a principal
//! is 401, whoever forgot the guard in front; one whose role is lower, or not known, is 403.

use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::error::{AuthError, Cause};
use crate::layer::body::GuardBody;
use crate::layer::future::GuardFuture;
use crate::role::Role;
use crate::verify::Principal;

/// Lets a request in only if its principal has a role or a higher one. Goes inside of [`AuthLayer`](crate::AuthLayer).
#[derive(Clone, Copy, Debug)]
#[doc(alias = "RolesGuard")]
#[doc(alias = "Roles")]
pub struct RequireRoleLayer {
    lowest: Option<Role>,
}

impl RequireRoleLayer {
    /// Requires this role or a higher one.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self { lowest: Some(role) }
    }

    /// Requires one of these roles or a higher one, so the lowest of them.
    ///
    /// Of none, nobody has one: everybody is refused.
    pub fn any_of(roles: impl IntoIterator<Item = Role>) -> Self {
        Self {
            lowest: roles.into_iter().min_by_key(|role| role.level()),
        }
    }
}

impl<S> Layer<S> for RequireRoleLayer {
    type Service = RequireRole<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireRole {
            inner,
            lowest: self.lowest,
        }
    }
}

/// The service of [`RequireRoleLayer`].
#[derive(Clone, Debug)]
pub struct RequireRole<S> {
    inner: S,
    lowest: Option<Role>,
}

impl<S> RequireRole<S> {
    fn check(&self, principal: Option<&Principal>) -> Result<(), AuthError> {
        let principal = principal.ok_or(Cause::NothingSent)?;
        if self
            .lowest
            .is_some_and(|lowest| principal.has_at_least(lowest))
        {
            Ok(())
        } else {
            Err(Cause::RoleTooLow.into())
        }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for RequireRole<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<GuardBody<ResB>>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        match self.check(request.extensions().get()) {
            Ok(()) => GuardFuture::inner(self.inner.call(request)),
            Err(error) => GuardFuture::refused(error, &request),
        }
    }
}
