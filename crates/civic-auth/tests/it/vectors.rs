//! Tokens that npm `jsonwebtoken` 9.0.3 made on Node 20: ours are the same bytes.

use std::time::{Duration, UNIX_EPOCH};

use civic_auth::{Role, Secret, TokenMinter, TokenVerifier, UserClaims};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    service: Vec<ServiceToken>,
    user: Vec<UserToken>,
}

#[derive(Deserialize)]
struct ServiceToken {
    secret: String,
    iat: u64,
    token: String,
}

#[derive(Deserialize)]
struct UserToken {
    secret: String,
    iat: u64,
    exp: u64,
    claims: Claims,
    token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    user_id: String,
    email: String,
    role: String,
    municipality_id: String,
    name: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("tokens.json")).expect("the vectors are JSON")
}

fn minter(secret: &str, iat: u64, millis: u64) -> TokenMinter {
    let now = UNIX_EPOCH + Duration::from_millis(iat * 1000 + millis);
    TokenMinter::new(Secret::new(secret).expect("a usable secret")).with_clock(move || now)
}

#[test]
fn token_bytes_equal_nodes_for_all_vectors() {
    let vectors = vectors().service;
    assert_eq!(vectors.len(), 35);
    for vector in vectors {
        // Node floors the milliseconds.
        for millis in [0, 999] {
            let minted = minter(&vector.secret, vector.iat, millis).mint();
            assert_eq!(
                minted.as_str(),
                vector.token,
                "{:?} at {}",
                vector.secret,
                vector.iat
            );
        }
    }
}

#[test]
fn user_token_bytes_equal_nodes_for_all_vectors() {
    let vectors = vectors().user;
    assert_eq!(vectors.len(), 2);
    for UserToken {
        secret,
        iat,
        exp,
        claims,
        token,
    } in vectors
    {
        let role: Role = claims.role.parse().expect("a role of the platform");
        let user = UserClaims::new(claims.user_id, claims.email, role)
            .with_municipality(claims.municipality_id)
            .with_name(claims.name);
        let minted = minter(&secret, iat, 0).mint_for(&user, Duration::from_secs(exp - iat));
        assert_eq!(minted.as_str(), token);
    }
}

fn verifier(secret: &str, iat: u64) -> TokenVerifier {
    let now = UNIX_EPOCH + Duration::from_secs(iat);
    TokenVerifier::new(Secret::new(secret).expect("a usable secret")).with_clock(move || now)
}

fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header value");
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

#[test]
fn every_token_of_a_node_peer_is_accepted_and_read() {
    for ServiceToken { secret, iat, token } in vectors().service {
        let principal = verifier(&secret, iat)
            .verify(&bearer(&token))
            .expect("a service token");
        assert!(principal.is_service());
        assert_eq!(
            (principal.issued_at(), principal.expires_at()),
            (Some(iat), iat + 30)
        );
    }
    for UserToken {
        secret,
        iat,
        exp,
        claims,
        token,
    } in vectors().user
    {
        let principal = verifier(&secret, iat)
            .verify(&bearer(&token))
            .expect("a user token");
        assert!(!principal.is_service());
        assert_eq!(principal.user_id(), claims.user_id);
        assert_eq!(principal.email(), claims.email);
        assert_eq!(principal.role().as_str(), claims.role);
        assert_eq!(principal.municipality_id(), Some(&*claims.municipality_id));
        assert_eq!(principal.name(), claims.name);
        assert_eq!(
            (principal.issued_at(), principal.expires_at()),
            (Some(iat), exp)
        );
    }
}
