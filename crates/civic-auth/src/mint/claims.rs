//! The claims that are minted: the service identity, and a user's.

use std::fmt;

use serde::Serialize;

use crate::role::Role;

/// The `userId` of every service: the nil UUID.
pub(crate) const SERVICE_USER_ID: &str = "00000000-0000-0000-0000-000000000000";

/// The `email` of every service.
pub(crate) const SERVICE_EMAIL: &str = "service@internal";

/// The `municipalityId` of every service.
pub(crate) const SERVICE_MUNICIPALITY: &str = "internal";

/// The `name` of every service.
pub(crate) const SERVICE_NAME: &str = "Internal Service";

/// The lifetime of a service token, in seconds.
pub(crate) const SERVICE_LIFETIME_SECONDS: u64 = 30;

/// The claims of a service token up to the digits of `iat`, as the platform's serialiser writes
/// them.
pub(crate) const SERVICE_CLAIMS_BEFORE_IAT: &str = concat!(
    r#"{"userId":"00000000-0000-0000-0000-000000000000","email":"service@internal","#,
    r#""role":"SERVICE_ACCOUNT","municipalityId":"internal","name":"Internal Service","iat":"#,
);

/// The number of bytes of the claims that are encoded once: base64url turns three bytes into four
/// characters.
pub(crate) const CONSTANT_CLAIMS: usize = SERVICE_CLAIMS_BEFORE_IAT.len() / 3 * 3;

/// The claims of a user token that [`TokenMinter::mint_for`](crate::TokenMinter::mint_for) makes.
#[derive(Clone)]
pub struct UserClaims {
    user_id: String,
    email: String,
    role: Role,
    municipality_id: Option<String>,
    name: String,
}

impl UserClaims {
    /// Creates the claims of a user with this id, email address and role, and without a
    /// municipality.
    pub fn new(user_id: impl Into<String>, email: impl Into<String>, role: Role) -> Self {
        let email = email.into();
        Self {
            user_id: user_id.into(),
            name: email.clone(),
            email,
            role,
            municipality_id: None,
        }
    }

    /// Sets the claim `municipalityId`.
    ///
    /// Defaults to none: the token then has no such claim.
    #[must_use]
    pub fn with_municipality(mut self, municipality_id: impl Into<String>) -> Self {
        self.municipality_id = Some(municipality_id.into());
        self
    }

    /// Sets the claim `name`.
    ///
    /// Defaults to the email address.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    pub(crate) fn user_id(&self) -> &str {
        &self.user_id
    }

    pub(crate) fn email(&self) -> &str {
        &self.email
    }

    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn municipality_id(&self) -> Option<&str> {
        self.municipality_id.as_deref()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Writes the members in the platform's order, escaped as `JSON.stringify` does.
    pub(crate) fn to_json(&self, iat: u64, exp: u64) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire<'a> {
            user_id: &'a str,
            email: &'a str,
            role: Role,
            #[serde(skip_serializing_if = "Option::is_none")]
            municipality_id: Option<&'a str>,
            name: &'a str,
            iat: u64,
            exp: u64,
        }
        serde_json::to_string(&Wire {
            user_id: &self.user_id,
            email: &self.email,
            role: self.role,
            municipality_id: self.municipality_id.as_deref(),
            name: &self.name,
            iat,
            exp,
        })
        .expect("strings and integers are always JSON")
    }
}

/// Prints neither the name nor the address of a person.
impl fmt::Debug for UserClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserClaims")
            .field("user_id", &self.user_id)
            .field("role", &self.role)
            .field("municipality_id", &self.municipality_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constant_claims_consist_of_the_service_identity() {
        let role = Role::ServiceAccount;
        assert_eq!(
            SERVICE_CLAIMS_BEFORE_IAT,
            format!(
                r#"{{"userId":"{SERVICE_USER_ID}","email":"{SERVICE_EMAIL}","role":"{role}","municipalityId":"{SERVICE_MUNICIPALITY}","name":"Internal Service","iat":"#
            )
        );
    }

    #[test]
    fn a_user_has_a_municipality_only_if_it_is_named() {
        let user = UserClaims::new("u-1", "a@b.example", Role::Auditor);
        assert_eq!(
            user.to_json(1, 2),
            r#"{"userId":"u-1","email":"a@b.example","role":"AUDITOR","name":"a@b.example","iat":1,"exp":2}"#
        );
        assert_eq!(
            user.with_municipality("town-7")
                .with_name("A")
                .to_json(1, 2),
            r#"{"userId":"u-1","email":"a@b.example","role":"AUDITOR","municipalityId":"town-7","name":"A","iat":1,"exp":2}"#
        );
    }
}
