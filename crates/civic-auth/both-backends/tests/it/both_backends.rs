//! An application that enables both back ends of jsonwebtoken: its process-global provider panics,
//! for as long as the process lives.

use std::panic;

use civic_auth::{Secret, TokenMinter, TokenVerifier, internal_headers};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::crypto::{CryptoProvider, aws_lc, rust_crypto};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// It spoils the global provider of jsonwebtoken for the whole process. No other test of this
/// program may need that provider.
#[test]
fn with_both_back_ends_and_a_poisoned_global_provider_tokens_are_minted_and_verified() {
    // Naming both proves that both are compiled in.
    let providers: [&'static CryptoProvider; 2] =
        [&aws_lc::DEFAULT_PROVIDER, &rust_crypto::DEFAULT_PROVIDER];
    poison_the_global_provider();
    for provider in providers {
        assert!(
            provider.install_default().is_err(),
            "the poisoned provider must be there to stay"
        );
    }
    assert!(
        the_global_provider_panics(),
        "installing a provider must not have cured it"
    );

    let secret = Secret::new(SECRET).expect("a usable secret");
    let headers = internal_headers(&TokenMinter::new(secret.clone()), None);
    let verifier = TokenVerifier::new(secret);
    assert!(
        verifier
            .verify(&headers)
            .expect("a fresh token")
            .is_service()
    );

    let mut forged = HeaderMap::new();
    let token = headers[AUTHORIZATION].to_str().expect("a token is ASCII");
    let last = if token.ends_with('A') { 'E' } else { 'A' };
    let other = format!("{}{last}", &token[..token.len() - 1]);
    forged.insert(AUTHORIZATION, other.parse().expect("a header value"));
    assert!(verifier.verify(&forged).is_err());
    assert!(verifier.inspect(&token["Bearer ".len()..]).is_accepted());

    assert!(
        the_global_provider_panics(),
        "the crate must not have repaired the process's provider either"
    );
}

fn poison_the_global_provider() {
    assert!(
        the_global_provider_panics(),
        "with both back ends, the first use of the global provider must panic"
    );
}

fn the_global_provider_panics() -> bool {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let encode = panic::catch_unwind(|| jsonwebtoken::encode(&Header::default(), &(), &key));
    let verify = panic::catch_unwind(|| {
        let key = DecodingKey::from_secret(SECRET.as_bytes());
        jsonwebtoken::crypto::verify("AA", b"message", &key, Algorithm::HS256)
    });
    let decode = panic::catch_unwind(|| {
        let key = DecodingKey::from_secret(SECRET.as_bytes());
        jsonwebtoken::decode::<()>(
            "eyJhbGciOiJIUzI1NiJ9.e30.AA",
            &key,
            &Validation::new(Algorithm::HS256),
        )
    });
    assert_eq!(
        [verify.is_err(), decode.is_err()],
        [encode.is_err(); 2],
        "all go through the same provider"
    );
    encode.is_err()
}
