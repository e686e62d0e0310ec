//! Tokens of jsonwebtoken, the library that other Rust services use: each side accepts the other's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use civic_auth::{Role, Secret, TokenMinter, TokenVerifier, UserClaims};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
use proptest::prelude::*;
use serde_json::{Value, json};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn secret() -> Secret {
    Secret::new(SECRET).unwrap()
}

fn seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Reads a token as a service beside ours does, without a tolerance.
fn decoded(token: &str) -> Option<Value> {
    let validation = Validation {
        leeway: 0,
        ..Validation::default()
    };
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    decode(token, &key, &validation)
        .ok()
        .map(|token| token.claims)
}

fn headers(token: &str) -> HeaderMap {
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

#[test]
fn a_minted_token_is_accepted_by_jsonwebtoken() {
    let minter = TokenMinter::new(secret());
    let claims = decoded(minter.mint().as_str()).expect("a service token is accepted");
    assert_eq!(claims["role"], "SERVICE_ACCOUNT");
    let user = UserClaims::new("u-1", "clerk@example.org", Role::TaxClerk).with_name("C. Clerk");
    let token = minter.mint_for(&user, Duration::from_secs(900));
    let claims = decoded(token.as_str()).expect("a user token is accepted");
    assert_eq!(claims["email"], "clerk@example.org");
}

proptest! {
    #[test]
    fn a_token_of_jsonwebtoken_comes_in_with_what_it_says(
        user in "[a-z0-9-]{1,36}",
        name in "\\PC{0,24}",
        municipality in proptest::option::of("[a-z]{1,12}"),
    ) {
        prop_assume!(municipality.as_deref() != Some("internal"));
        let exp = seconds() + 600;
        let claims = json!({
            "name": name,
            "exp": exp,
            "role": "ASSESSOR",
            "municipalityId": municipality,
            "email": "assessor@example.org",
            "userId": user,
        });
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = encode(&Header::default(), &claims, &key).unwrap();
        let principal = TokenVerifier::new(secret()).verify(&headers(&token)).unwrap();
        prop_assert_eq!(principal.user_id(), user);
        prop_assert_eq!(principal.name(), name);
        prop_assert_eq!(principal.municipality_id(), municipality.as_deref());
        prop_assert_eq!(principal.expires_at(), exp);
    }

    #[test]
    fn a_service_token_that_is_changed_in_one_character_is_refused_by_both(
        position in 0_usize..320,
        character in "[A-Za-z0-9_-]",
    ) {
        let token = TokenMinter::new(secret()).mint().as_str().to_owned();
        let position = position % token.len();
        let mut changed = token.clone();
        changed.replace_range(position..=position, &character);
        prop_assume!(changed != token);
        prop_assert!(TokenVerifier::new(secret()).verify(&headers(&changed)).is_err());
        prop_assert!(decoded(&changed).is_none());
    }
}
