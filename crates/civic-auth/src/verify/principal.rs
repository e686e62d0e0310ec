//! Who is calling.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::rules;
use crate::error::{AuthError, Cause};
use crate::jwt::{NumericDate, Payload};
use crate::key::VerifyingKey;
use crate::mint::{SERVICE_EMAIL, SERVICE_MUNICIPALITY, SERVICE_NAME, SERVICE_USER_ID, UserClaims};
use crate::person::person_getters;
use crate::role::{Role, RoleClaim};
use crate::txn::OnBehalfOf;

/// Who is calling, according to an accepted token.
///
/// The guard puts it into the request's extensions. It serialises with the platform's member names:
/// `userId`, `email`, `role`, `municipalityId` (if the token has it), `name`, `iat` (if the token
/// has it), `exp`.
///
/// # As an argument of a handler
///
/// A handler of axum takes it as an argument if the feature `axum` of this crate is enabled;
/// civic-server enables it. Without the feature rustc refuses the handler in words that do not name
/// it: `the trait bound fn(Principal) -> …: Handler<_, _> is not satisfied`. An
/// `Extension<Principal>` of axum needs no feature.
#[derive(Clone, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[doc(alias = "RequestUser")]
pub struct Principal {
    user_id: Cow<'static, str>,
    email: Cow<'static, str>,
    role: RoleClaim,
    #[serde(skip_serializing_if = "Option::is_none")]
    municipality_id: Option<Cow<'static, str>>,
    name: Cow<'static, str>,
    #[serde(rename = "iat", skip_serializing_if = "Option::is_none")]
    issued_at: Option<u64>,
    #[serde(rename = "exp")]
    expires_at: u64,
    #[serde(skip)]
    issuer: Option<String>,
    #[serde(skip)]
    token_id: Option<String>,
    #[serde(skip)]
    key_id: Option<String>,
    #[serde(skip)]
    on_behalf_of: Option<Arc<OnBehalfOf>>,
}

impl Principal {
    /// Creates the principal of a user, for a test that calls a handler without a guard.
    ///
    /// It gives no one a right: a guard removes every principal that it has not made. It has
    /// expired in 1970.
    #[must_use]
    pub fn for_user(user: &UserClaims) -> Self {
        Self {
            user_id: Cow::Owned(user.user_id().to_owned()),
            email: Cow::Owned(user.email().to_owned()),
            role: RoleClaim::from(user.role().as_str()),
            municipality_id: user.municipality_id().map(|id| Cow::Owned(id.to_owned())),
            name: Cow::Owned(user.name().to_owned()),
            issued_at: None,
            expires_at: 0,
            issuer: None,
            token_id: None,
            key_id: None,
            on_behalf_of: None,
        }
    }

    /// Creates the principal of a service, for a test that calls a handler without a guard.
    ///
    /// It gives no one a right: a guard removes every principal that it has not made. It has
    /// expired in 1970.
    #[must_use]
    pub fn for_service() -> Self {
        let service = UserClaims::new(SERVICE_USER_ID, SERVICE_EMAIL, Role::ServiceAccount)
            .with_municipality(SERVICE_MUNICIPALITY)
            .with_name(SERVICE_NAME);
        Self {
            issued_at: Some(0),
            ..Self::for_user(&service)
        }
    }

    person_getters!();

    /// Returns the email address of the user; `service@internal` for a service.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// Returns when the token was made, in seconds since 1970. A service token always says so.
    #[must_use]
    pub fn issued_at(&self) -> Option<u64> {
        self.issued_at
    }

    /// Returns which service minted the token (`iss`), if it says so.
    ///
    /// It can be relied on if the key is [bound to an issuer](crate::VerifyingKey::issued_by).
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Returns the id of the token (`jti`), if it has one.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// Returns the id of the key that verified the token, if it has one.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Returns the person for whom a service calls, if it says so.
    ///
    /// Always `None` for a person, and behind a guard without
    /// [`with_transactions`](crate::AuthLayer::with_transactions).
    #[must_use]
    pub fn on_behalf_of(&self) -> Option<&OnBehalfOf> {
        self.on_behalf_of.as_deref()
    }

    /// Returns the municipality that the request is for: that of the person who calls, or for whom
    /// a service calls.
    ///
    /// `None` for a person without one, and for a service that calls for itself.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        if self.is_service() {
            self.on_behalf_of()?.municipality_id()
        } else {
            self.municipality_id()
        }
    }

    /// Refuses a request that is not for this municipality, for example that of the record which a
    /// handler has found.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::NoTenant`](crate::AuthErrorKind::NoTenant) if the request is for none, and
    /// [`AuthErrorKind::ForeignTenant`](crate::AuthErrorKind::ForeignTenant) if it is for another
    /// one. Both are answered with 403.
    pub fn require_tenant(&self, municipality_id: &str) -> Result<(), AuthError> {
        match self.tenant() {
            None => Err(Cause::NoTenant.into()),
            Some(tenant) if tenant == municipality_id => Ok(()),
            Some(_) => Err(Cause::ForeignTenant.into()),
        }
    }

    pub(crate) fn set_on_behalf_of(&mut self, user: OnBehalfOf) {
        self.on_behalf_of = Some(Arc::new(user));
    }

    /// Returns whether the caller is a service and not a person.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.role.known() == Some(Role::ServiceAccount)
    }
}

/// Prints neither the name nor the address of a person.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("user_id", &self.user_id)
            .field("role", &self.role)
            .field("municipality_id", &self.municipality_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Principal {
    /// Makes the principal of an accepted token, which this key has signed.
    pub(super) fn new(payload: Payload, key: &VerifyingKey) -> Self {
        debug_assert!(
            rules::is_one_profile(&payload),
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
            issuer: payload.iss,
            token_id: payload.jti,
            key_id: key.id().map(str::to_owned),
            on_behalf_of: None,
        }
    }
}
