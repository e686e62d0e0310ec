//! The requirement of a tenant.
//!
//! A request that is for no municipality is answered with 403: a user without one, and a service
//! that calls for itself or through a service that does not forward for whom. A request without a
//! principal is answered with 401, even if the guard in front was forgotten.

use std::task::{Context, Poll};

use civic_envelope::inner_accessors;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::body::AuthBody;
use super::future::AuthFuture;
use crate::error::{AuthError, Cause};
use crate::verify::Principal;

/// Lets a request in only if it is for a municipality, which [`Principal::tenant`] then returns.
///
/// It belongs inside [`AuthLayer`](super::AuthLayer). The answer to a refused request has the
/// [`AuthError`] in its extensions.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequireTenantLayer(());

/// Lets a request in only if it is for a municipality. Made by [`RequireTenantLayer`].
#[derive(Clone, Debug)]
pub struct RequireTenant<S> {
    inner: S,
}

// ===== impl RequireTenantLayer =====

impl RequireTenantLayer {
    /// Creates the layer. There is nothing to configure.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for RequireTenantLayer {
    type Service = RequireTenant<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireTenant::new(inner)
    }
}

// ===== impl RequireTenant =====

impl<S> RequireTenant<S> {
    /// Creates a service that wraps `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }

    inner_accessors!();
}

fn check(principal: Option<&Principal>) -> Result<(), AuthError> {
    match principal {
        None => Err(Cause::NothingSent.into()),
        Some(principal) if principal.tenant().is_none() => Err(Cause::NoTenant.into()),
        Some(_) => Ok(()),
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for RequireTenant<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ReqB: Body,
{
    type Response = Response<AuthBody<ResB>>;
    type Error = S::Error;
    type Future = AuthFuture<S::Future, ReqB>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        match check(request.extensions().get()) {
            Ok(()) => AuthFuture::inner(self.inner.call(request)),
            Err(error) => AuthFuture::refused(error, request),
        }
    }
}
