//! Tokens, as the platform's other services and its log-in mint them.

use std::time::Duration;

use civic_auth::{Role, Secret, TokenMinter, UserClaims};

use crate::support::SECRET;

/// How long a user's token lives.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

fn minter() -> TokenMinter {
    TokenMinter::new(Secret::new(SECRET).unwrap())
}

/// The token of a service.
pub(crate) fn service_token() -> String {
    minter().mint().as_str().to_owned()
}

/// A token with any claims and any lifetime.
pub(crate) fn mint(claims: &UserClaims, lifetime: Duration) -> String {
    minter().mint_for(claims, lifetime).as_str().to_owned()
}

/// A token of a user with this role.
pub(crate) fn user_token(role: &str) -> String {
    mint(&user(role), HOUR)
}

/// The claims of a user with this role.
pub(crate) fn user(role: &str) -> UserClaims {
    let id = "9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11";
    UserClaims::new(id, "clerk@town.example", role.parse::<Role>().unwrap())
        .with_municipality("town-1")
        .with_name("Example User")
}

/// The claims of a service, for tokens with another lifetime than the library mints.
pub(crate) fn service_claims() -> UserClaims {
    let id = "00000000-0000-0000-0000-000000000000";
    UserClaims::new(id, "service@internal", Role::ServiceAccount)
        .with_municipality("internal")
        .with_name("Internal Service")
}
