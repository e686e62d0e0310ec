//! The person for whom a service calls.

use std::fmt;

use super::claims::Claims;
use crate::person::person_getters;
use crate::role::{Role, RoleClaim};

/// The person for whom a service calls, according to an accepted transaction token.
#[derive(Clone, Eq, PartialEq)]
pub struct OnBehalfOf {
    user_id: String,
    role: RoleClaim,
    municipality_id: Option<String>,
    name: String,
    admitted_by: String,
    transaction_id: String,
    expires_at: u64,
}

impl OnBehalfOf {
    person_getters!();

    /// Returns the service that admitted the user, and minted the token (`req_wl`).
    #[must_use]
    pub fn admitted_by(&self) -> &str {
        &self.admitted_by
    }

    /// Returns the id of the transaction (`txn`): the correlation id of the user's request.
    #[must_use]
    pub fn transaction_id(&self) -> &str {
        &self.transaction_id
    }
}

impl From<Claims> for OnBehalfOf {
    fn from(claims: Claims) -> Self {
        Self {
            user_id: claims.sub,
            role: RoleClaim::from(&*claims.tctx.role),
            municipality_id: claims.tctx.municipality,
            name: claims.tctx.name,
            admitted_by: claims.req_wl,
            transaction_id: claims.txn,
            expires_at: claims.exp,
        }
    }
}

/// Prints no name.
impl fmt::Debug for OnBehalfOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnBehalfOf")
            .field("user_id", &self.user_id)
            .field("role", &self.role)
            .field("municipality_id", &self.municipality_id)
            .field("admitted_by", &self.admitted_by)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
