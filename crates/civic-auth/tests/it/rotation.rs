//! Changing the secret without a moment at which tokens are refused.

use std::time::{Duration, UNIX_EPOCH};

use civic_auth::{Cause, KeyRing, KeySet, Secret, SigningKey, TokenMinter, TokenVerifier};

use crate::support::{Claims, NOW, SECRET, accepted_by, forge, refused_by};

fn key(name: &str) -> Secret {
    Secret::new(format!("{name}, padded to at least 32 bytes ......")).expect("a usable secret")
}

fn verifier(keys: impl Into<KeySet>) -> TokenVerifier {
    TokenVerifier::new(keys).with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

fn mint(keys: impl Into<SigningKey>) -> String {
    let minter = TokenMinter::new(keys).with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW));
    minter.mint().as_str().to_owned()
}

#[test]
fn every_previous_key_is_accepted_and_the_active_one_mints() {
    let ring = || {
        KeyRing::new(key("new"))
            .with_previous(key("old"))
            .with_previous(key("older"))
    };
    for name in ["new", "old", "older"] {
        accepted_by(&verifier(ring()), name, &mint(key(name)));
    }
    assert_eq!(mint(ring()), mint(key("new")));
    refused_by(
        &verifier(ring()),
        "oldest",
        mint(key("oldest")),
        Cause::WrongSignature,
    );
    refused_by(
        &verifier(key("new")),
        "old, taken out",
        mint(key("old")),
        Cause::WrongSignature,
    );
}

#[test]
fn a_rotation_in_three_steps_refuses_no_token() {
    let steps = [
        KeyRing::new(key("old")),
        KeyRing::new(key("old")).with_previous(key("new")),
        KeyRing::new(key("new")).with_previous(key("old")),
        KeyRing::new(key("new")),
    ];
    // Replicas are at most one step apart.
    for pair in steps.windows(2) {
        for minting in pair {
            for verifying in pair {
                accepted_by(
                    &verifier(verifying.clone()),
                    "one step apart",
                    &mint(minting.clone()),
                );
            }
        }
    }
}

#[test]
fn a_named_key_says_so_in_the_header_and_selects_only_itself() {
    let named = |name: &str| key(name).with_id(name).expect("a key id");
    let token = mint(named("b"));
    let ring = verifier(KeyRing::new(named("a")).with_previous(named("b")));
    assert_eq!(
        ring.inspect(&token).header(),
        Some(r#"{"alg":"HS256","typ":"JWT","kid":"b"}"#)
    );
    accepted_by(&ring, "previous, named", &token);

    let claims = token.split('.').nth(1).expect("three parts");
    assert_eq!(
        claims,
        mint(key("b")).split('.').nth(1).expect("three parts")
    );

    // The id of one key over the signature of another: both are in the ring, and it is refused.
    let swapped = KeyRing::new(key("a").with_id("b").expect("a key id"))
        .with_previous(key("b").with_id("a").expect("a key id"));
    refused_by(
        &verifier(swapped),
        "another key's id",
        &token,
        Cause::WrongSignature,
    );
    refused_by(
        &verifier(named("a")),
        "not in the ring",
        &token,
        Cause::UnknownKey,
    );
    // Otherwise naming the keys would have to begin with every verifier, on one day.
    accepted_by(&verifier(key("b")), "a key without an id", &token);
    let one_unnamed = KeyRing::new(named("a")).with_previous(key("b"));
    accepted_by(&verifier(one_unnamed), "one key without an id", &token);
    refused_by(
        &verifier(key("a")),
        "another key without an id",
        &token,
        Cause::WrongSignature,
    );
}

#[test]
fn a_token_without_kid_is_tried_against_every_key_named_or_not() {
    let ring = KeyRing::new(key("a").with_id("a").expect("a key id"))
        .with_previous(Secret::new(SECRET).expect("a usable secret"));
    accepted_by(
        &verifier(ring.clone()),
        "unnamed",
        &Claims::service().token(),
    );
    accepted_by(&verifier(ring), "named, no kid", &mint(key("a")));
}

#[test]
fn an_id_of_64_characters_is_the_longest() {
    let id = "k".repeat(64);
    let secret = Secret::new(SECRET)
        .and_then(|secret| secret.with_id(&id))
        .expect("a key id");
    let header = format!(r#"{{"alg":"HS256","kid":"{id}"}}"#);
    accepted_by(
        &verifier(secret.clone()),
        "64",
        &forge(&header, Claims::service().json()),
    );
    let header = format!(r#"{{"alg":"HS256","kid":"{id}k"}}"#);
    refused_by(
        &verifier(secret),
        "65",
        forge(header, Claims::service().json()),
        Cause::UnknownKey,
    );
}
