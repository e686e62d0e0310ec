//! Keys: who may mint, for whom, and how keys change.

mod algorithms;
mod joined;
mod names;
mod sources;
mod waiting;

use std::time::{Duration, UNIX_EPOCH};

use civic_auth::{
    Algorithm, Cause, KeySet, Role, SigningKey, TokenMinter, TokenVerifier, UserClaims,
    VerifyingKey,
};

use crate::support::{NOW, bearer};

fn key(algorithm: Algorithm, id: &str) -> SigningKey {
    let pem = SigningKey::generate_pem(algorithm).expect("random numbers");
    let key = SigningKey::from_pem(pem.as_str()).and_then(|key| key.with_id(id));
    key.expect("a key")
}

fn public(key: &SigningKey) -> VerifyingKey {
    key.public_key().expect("not a secret")
}

fn minter(key: impl Into<SigningKey>) -> TokenMinter {
    TokenMinter::new(key).with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

fn verifier(keys: impl Into<KeySet>) -> TokenVerifier {
    TokenVerifier::new(keys).with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

fn clerk() -> UserClaims {
    UserClaims::new("u-1", "clerk@town.example", Role::TaxClerk).with_municipality("town-1")
}

#[track_caller]
fn cause(verifier: &TokenVerifier, token: impl AsRef<[u8]>) -> Result<(), Cause> {
    let result = verifier.verify(&bearer(&token));
    if let Ok(token) = str::from_utf8(token.as_ref()) {
        assert_eq!(
            verifier.inspect(token).is_accepted(),
            result.is_ok(),
            "the inspection agrees"
        );
    }
    result.map(|_| ()).map_err(|error| error.cause())
}
