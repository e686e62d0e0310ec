//! The requirement of a tenant.
//!
//! A request that is for no municipality is answered with 403: a user without one, and a service
//! that calls for itself or through a service that does not forward for whom. A request without a
//! principal is answered with 401, even if the guard in front was forgotten.

use tower_layer::Layer;

use super::require::{Require, Requirement};
use crate::error::{AuthError, Cause};
use crate::verify::Principal;

/// Lets a request in only if it is for a municipality, which [`Principal::tenant`] then returns.
///
/// It belongs inside [`AuthLayer`](super::AuthLayer). The answer to a refused request has the
/// [`AuthError`] in its extensions.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequireTenantLayer(());

// ===== impl RequireTenantLayer =====

impl RequireTenantLayer {
    /// Creates the layer. There is nothing to configure.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Requirement for RequireTenantLayer {
    fn check(&self, principal: &Principal) -> Result<(), AuthError> {
        if principal.tenant().is_some() {
            Ok(())
        } else {
            Err(Cause::NoTenant.into())
        }
    }
}

impl<S> Layer<S> for RequireTenantLayer {
    type Service = Require<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Require::new(inner, *self)
    }
}
