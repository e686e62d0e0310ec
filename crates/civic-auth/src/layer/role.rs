//! The requirement of a role.
//!
//! A requirement means "this role or a higher one". Of several roles, the lowest counts. A request
//! without a principal is answered with 401, even if the guard in front was forgotten. A principal
//! whose role is lower or unknown is answered with 403.

use tower_layer::Layer;

use super::require::{Require, Requirement};
use crate::error::{AuthError, Cause};
use crate::role::Role;
use crate::verify::Principal;

/// Lets a request in only if its principal has a role or a higher one.
///
/// It belongs inside [`AuthLayer`](super::AuthLayer). The answer to a refused request has the
/// [`AuthError`] in its extensions.
#[derive(Clone, Copy, Debug)]
#[doc(alias = "RolesGuard")]
#[doc(alias = "Roles")]
pub struct RequireRoleLayer {
    lowest: Option<Role>,
    service: ServiceRole,
}

/// Which role a service has that calls for a user.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ServiceRole {
    /// Its own, the highest one.
    Own,
    /// The lower one of its own and the user's.
    Lower,
}

// ===== impl RequireRoleLayer =====

impl RequireRoleLayer {
    /// Creates a layer that requires this role or a higher one.
    #[must_use]
    pub const fn new(role: Role) -> Self {
        Self {
            lowest: Some(role),
            service: ServiceRole::Own,
        }
    }

    /// Creates a layer that requires one of these roles or a higher one, that is, the lowest of
    /// them.
    ///
    /// An empty list refuses every caller.
    pub fn any_of(roles: impl IntoIterator<Item = Role>) -> Self {
        Self {
            lowest: roles.into_iter().min_by_key(|role| role.level()),
            service: ServiceRole::Own,
        }
    }

    /// Asks for the role of the user too, where a service calls for one: the lower of the two
    /// counts. A service that calls for itself has its own role.
    ///
    /// Defaults to the role of the service.
    #[must_use]
    pub fn with_user_role(mut self) -> Self {
        self.service = ServiceRole::Lower;
        self
    }
}

impl Requirement for RequireRoleLayer {
    fn check(&self, principal: &Principal) -> Result<(), AuthError> {
        let user = principal
            .on_behalf_of()
            .filter(|_| self.service == ServiceRole::Lower);
        if self.lowest.is_some_and(|lowest| {
            principal.has_at_least(lowest) && user.is_none_or(|user| user.has_at_least(lowest))
        }) {
            Ok(())
        } else {
            Err(Cause::RoleTooLow.into())
        }
    }
}

impl<S> Layer<S> for RequireRoleLayer {
    type Service = Require<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Require::new(inner, *self)
    }
}
