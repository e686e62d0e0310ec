//! Who is calling.

use serde::Serialize;

use super::rules;
use crate::jwt::{NumericDate, Payload};
use crate::role::{Role, RoleClaim};

/// Who is calling, as an accepted token says it. The guard puts it into the request's extensions.
///
/// Serialises with the platform's member names: `userId`, `email`, `role`, `municipalityId`, `name`,
/// `iat` (if the token has it), `exp`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[doc(alias = "RequestUser")]
pub struct Principal {
    user_id: String,
    email: String,
    role: RoleClaim,
    municipality_id: String,
    name: String,
    #[serde(rename = "iat", skip_serializing_if = "Option::is_none")]
    issued_at: Option<u64>,
    #[serde(rename = "exp")]
    expires_at: u64,
}

impl Principal {
    /// The id of the user; the nil UUID for a service.
    #[must_use]
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// The address of the user; `service@internal` for a service.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The role, which may be one that this version does not know.
    #[must_use]
    pub fn role(&self) -> &RoleClaim {
        &self.role
    }

    /// The municipality; `internal` for a service.
    #[must_use]
    pub fn municipality_id(&self) -> &str {
        &self.municipality_id
    }

    /// The name to show.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When the token was made, in seconds since 1970; always there for a service.
    #[must_use]
    pub fn issued_at(&self) -> Option<u64> {
        self.issued_at
    }

    /// The second since 1970 from which on the token is dead.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// Whether a service is calling, not a person.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.role.known() == Some(Role::ServiceAccount)
    }

    /// Whether the role is this one or higher. An unknown role is neither.
    #[must_use]
    pub fn has_at_least(&self, role: Role) -> bool {
        self.role
            .known()
            .is_some_and(|own| own.level() >= role.level())
    }
}

impl From<Payload> for Principal {
    fn from(payload: Payload) -> Self {
        debug_assert!(
            rules::profile(&payload).is_ok(),
            "only an accepted token makes a principal"
        );
        Self {
            role: RoleClaim::from(&*payload.role),
            user_id: payload.user_id,
            email: payload.email,
            municipality_id: payload.municipality_id,
            name: payload.name,
            issued_at: payload.iat.map(NumericDate::floor),
            expires_at: payload.exp.ceil(),
        }
    }
}
