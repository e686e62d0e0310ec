//! For whom a key speaks, and for whom a token is.

use std::time::Duration;

use civic_auth::{Algorithm, Cause, KeySet, Profile, SigningKey, TokenMinter};

use super::{cause, clerk, key, minter, public, verifier};
use crate::support::{Claims, bearer, secret};

#[test]
fn the_key_of_billing_speaks_neither_for_another_service_nor_for_a_user() {
    let (billing, roll, login) = (
        key(Algorithm::EdDsa, "billing"),
        key(Algorithm::Es256, "roll"),
        key(Algorithm::EdDsa, "login"),
    );
    let keys: KeySet = [
        public(&billing).issued_by("billing").only(Profile::Service),
        public(&roll)
            .issued_by("assessment-roll")
            .only(Profile::Service),
        public(&login).issued_by("login").only(Profile::User),
    ]
    .into_iter()
    .collect();
    let verifier = verifier(keys);
    let user = |minter: &TokenMinter| minter.mint_for(&clerk(), Duration::from_secs(60));
    let named = |key: &SigningKey, issuer: &str| minter(key.clone()).with_issuer(issuer);

    let principal = verifier
        .verify(&bearer(named(&billing, "billing").mint().as_str()))
        .expect("billing as itself");
    assert_eq!(principal.issuer(), Some("billing"));
    assert_eq!(principal.key_id(), Some("billing"));
    let login = named(&login, "login");
    assert_eq!(cause(&verifier, user(&login).as_str()), Ok(()));

    for (name, token, expected) in [
        (
            "another",
            named(&billing, "assessment-roll").mint(),
            Cause::WrongIssuer,
        ),
        ("none", minter(billing.clone()).mint(), Cause::WrongIssuer),
        (
            "another user's",
            user(&named(&billing, "login")),
            Cause::WrongIssuer,
        ),
        (
            "a user",
            user(&named(&billing, "billing")),
            Cause::WrongProfile,
        ),
        ("a service", login.mint(), Cause::WrongProfile),
    ] {
        assert_eq!(cause(&verifier, token.as_str()), Err(expected), "{name}");
    }
}

#[test]
fn a_foreign_audience_is_refused_once_the_service_has_a_name() {
    let aud = |json: &str| Claims::service().set("aud", json).token();
    let unnamed = verifier(secret());
    let named = || verifier(secret()).with_service_name("assessment-roll");
    let strict = named().require_audience();
    for (name, token, expected) in [
        (
            "none",
            Claims::service().token(),
            [Ok(()), Ok(()), Err(Cause::WrongAudience)],
        ),
        ("own", aud(r#""assessment-roll""#), [Ok(()); 3]),
        (
            "among others",
            aud(r#"["x","assessment-roll"]"#),
            [Ok(()); 3],
        ),
        ("escaped", aud(r#""assessment\u002droll""#), [Ok(()); 3]),
        (
            "foreign",
            aud(r#""billing""#),
            [Ok(()), Err(Cause::WrongAudience), Err(Cause::WrongAudience)],
        ),
        (
            "foreign ones",
            aud(r#"["billing","assessment-roll2"]"#),
            [Ok(()), Err(Cause::WrongAudience), Err(Cause::WrongAudience)],
        ),
    ] {
        for (verifier, expected) in [&unnamed, &named(), &strict].into_iter().zip(expected) {
            assert_eq!(cause(verifier, &token), expected, "{name}");
        }
    }
    let minted = minter(secret()).for_audience("assessment-roll");
    assert_eq!(cause(&strict, minted.mint().as_str()), Ok(()));
    assert_eq!(
        cause(&strict, minted.for_audience("billing").mint().as_str()),
        Err(Cause::WrongAudience)
    );
}

#[test]
fn the_optional_claims_follow_the_platforms_and_are_absent_by_default() {
    let plain = minter(secret());
    assert_eq!(plain.mint().as_str(), Claims::service().token());

    let all = plain
        .clone()
        .with_issuer("bill\"ing")
        .with_token_ids()
        .for_audience("roll");
    let verifier = verifier(secret()).require_issuer();
    let claims = |token: &str| verifier.inspect(token).claims().map(str::to_owned).unwrap();
    for token in [all.mint(), all.mint_for(&clerk(), Duration::from_secs(60))] {
        let claims = claims(token.as_str());
        let tail = claims.split_once(r#""exp":"#).expect("exp").1;
        let tail = tail.split_once(',').expect("more members").1;
        assert!(
            tail.starts_with(r#""iss":"bill\"ing","aud":"roll","jti":""#),
            "{claims}"
        );
        let principal = verifier.verify(&bearer(token.as_str())).expect("accepted");
        assert_eq!(principal.token_id().map(str::len), Some(36));
        assert_eq!(principal.issuer(), Some("bill\"ing"));
    }
    assert_ne!(
        all.mint().as_str(),
        all.mint().as_str(),
        "each token has its own id"
    );
    assert_eq!(
        cause(&verifier, plain.mint().as_str()),
        Err(Cause::WrongIssuer)
    );
}
