//! Each algorithm, and the key that decides which one counts.

use std::time::Duration;

use civic_auth::{
    Algorithm, Cause, ConfigErrorKind, KeyRing, KeySet, Secret, SigningKey, VerifyingKey,
};

use super::{cause, clerk, key, minter, public, verifier};
use crate::support::{Claims, HEADER, SECRET, b64, secret, sign};

/// The private and the public key of RFC 8410 section 10, as OpenSSL writes them.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

#[test]
fn a_token_of_each_algorithm_is_accepted_by_the_public_half_of_its_key_and_by_no_other() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let (signing, other) = (key(algorithm, "a"), key(algorithm, "a"));
        let minter = minter(signing.clone());
        let own = verifier(public(&signing));
        for token in [
            minter.mint(),
            minter.mint_for(&clerk(), Duration::from_secs(60)),
        ] {
            assert_eq!(cause(&own, token.as_str()), Ok(()), "{algorithm}");
            let foreign = verifier(public(&other));
            assert_eq!(cause(&foreign, token.as_str()), Err(Cause::WrongSignature));

            let (message, signature) = token.as_str().rsplit_once('.').expect("three parts");
            for broken in ["", "AAAA", &signature[..40]] {
                let token = format!("{message}.{broken}");
                assert!(cause(&own, token).is_err(), "{algorithm}: {broken}");
            }
        }
        let pem = public(&signing).to_pem().expect("public");
        let again = VerifyingKey::from_pem(&pem).expect("a key");
        assert_eq!(cause(&verifier(again), minter.mint().as_str()), Ok(()));
        let jwk = public(&signing).to_jwk().expect("public");
        let again = VerifyingKey::from_jwk(&jwk).expect("a key");
        assert_eq!(again.id(), Some("a"));
        assert_eq!(cause(&verifier(again), minter.mint().as_str()), Ok(()));
    }
}

#[test]
fn the_keys_that_openssl_writes_are_read() {
    let signing = SigningKey::from_pem(PRIVATE).expect("a key");
    assert_eq!(signing.algorithm(), Algorithm::EdDsa);
    assert_eq!(public(&signing).to_pem().as_deref(), Some(PUBLIC));
    let verifying = VerifyingKey::from_pem(PUBLIC).expect("a key");
    assert_eq!(
        cause(&verifier(verifying), minter(signing).mint().as_str()),
        Ok(())
    );
}

#[test]
fn anything_else_is_no_key() {
    let invalid = ConfigErrorKind::InvalidKey;
    for pem in [
        "",
        "x",
        PUBLIC,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    ] {
        assert_eq!(
            SigningKey::from_pem(pem).unwrap_err().kind(),
            invalid,
            "{pem}"
        );
    }
    for pem in [
        "",
        "x",
        PRIVATE,
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    ] {
        assert_eq!(
            VerifyingKey::from_pem(pem).unwrap_err().kind(),
            invalid,
            "{pem}"
        );
    }
    let point = b64([1; 32]);
    for jwk in [
        "",
        "{}",
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
        &format!(r#"{{"kty":"oct","k":"{point}"}}"#),
        &format!(r#"{{"kty":"OKP","crv":"X25519","x":"{point}"}}"#),
        r#"{"kty":"OKP","crv":"Ed25519","x":"AQAB"}"#,
        r#"{"kty":"OKP","crv":"Ed25519"}"#,
        &format!(r#"{{"kty":"EC","crv":"P-256","x":"{point}","y":"{point}"}}"#),
        &public(&key(Algorithm::EdDsa, "a"))
            .to_jwk()
            .unwrap()
            .replace("sig", "enc"),
        &public(&key(Algorithm::EdDsa, "a"))
            .to_jwk()
            .unwrap()
            .replace("EdDSA", "ES256"),
    ] {
        assert_eq!(
            VerifyingKey::from_jwk(jwk).unwrap_err().kind(),
            invalid,
            "{jwk}"
        );
    }
    let missing = SigningKey::from_env("CIVIC_AUTH_NO_SUCH_KEY").unwrap_err();
    assert_eq!(missing.kind(), ConfigErrorKind::MissingKey);
    assert!(
        missing.to_string().contains("CIVIC_AUTH_NO_SUCH_KEY"),
        "{missing}"
    );
}

#[test]
fn the_algorithm_is_that_of_the_key_and_never_that_of_the_header() {
    let signing = key(Algorithm::EdDsa, "a");
    let own = public(&signing);
    let pem = own.to_pem().expect("public");
    let jwk = own.to_jwk().expect("public");
    let asymmetric = verifier(own.clone());
    // Key confusion: the public key, which everyone has, as the secret of an HMAC.
    for text in [&pem, pem.trim_end(), &jwk, &jwk[30..73]] {
        let token = sign(
            aws_lc_rs::hmac::HMAC_SHA256,
            text.as_bytes(),
            HEADER,
            Claims::service().json(),
        );
        assert_eq!(cause(&asymmetric, &token), Err(Cause::WrongAlgorithm));
        let mixed = verifier(KeySet::from(secret()).with_key(own.clone()));
        assert_eq!(cause(&mixed, &token), Err(Cause::WrongSignature));
    }
    // A good signature under another algorithm's name.
    let token = minter(signing).mint();
    let (_, rest) = token.as_str().split_once('.').expect("three parts");
    for algorithm in ["ES256", "HS256", "none", "eddsa", "EdDSA "] {
        let token = format!(
            "{}.{rest}",
            b64(format!(r#"{{"alg":"{algorithm}","kid":"a"}}"#))
        );
        assert_eq!(
            cause(&asymmetric, &token),
            Err(Cause::WrongAlgorithm),
            "{algorithm}"
        );
    }
    let hs256 = verifier(secret());
    assert_eq!(cause(&hs256, token.as_str()), Err(Cause::WrongAlgorithm));
    assert_eq!(
        cause(&asymmetric, Claims::service().token()),
        Err(Cause::WrongAlgorithm)
    );
}

#[test]
fn a_key_never_prints_itself() {
    let signing = key(Algorithm::EdDsa, "a");
    let ring = KeyRing::new(Secret::new(SECRET).expect("a secret"));
    let verifier = verifier(KeySet::from(ring).with_key(public(&signing)));
    let printed = format!("{signing:?} {verifier:?} {:?}", verifier.keys());
    assert!(
        printed.contains("EdDsa") && printed.contains(r#"Some("a")"#),
        "{printed}"
    );
    assert!(!printed.contains(SECRET), "{printed}");
}
