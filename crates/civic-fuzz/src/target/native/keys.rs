//! Any bytes as keys: no panic, what is read can be written and read again, and a set from
//! elsewhere has only public keys that a second reading finds in it too, bound to no one.
//!
//! The first byte of the input says what it is: a set from elsewhere, a file of this machine, a
//! public or a private key in PEM, or a single public key.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use civic_auth::{KeyFile, KeySet, KeySource as _, SigningKey, VerifyingKey};
use serde_json::Value;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::temp_dir().join(format!("civic-fuzz-keys-{}.json", std::process::id()))
});

pub(super) fn run(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else {
        return;
    };
    match (kind % 5, str::from_utf8(data)) {
        (0, _) => set(data),
        (1, _) => {
            fs::write(&*FILE, data).expect("a file");
            if let Ok(file) = KeyFile::open(&*FILE) {
                let keys = file.current().expect("keys");
                assert!((1..=32).contains(&keys.iter().count()));
                // A public set of it never has a secret.
                assert!(!keys.to_jwks_json().contains("oct"));
            }
        }
        (2, Ok(pem)) => {
            if let Ok(key) = VerifyingKey::from_pem(pem) {
                let again = key.to_pem().expect("public");
                let again = VerifyingKey::from_pem(&again).expect("what was written");
                assert_eq!(again.to_jwk(), key.to_jwk());
            }
        }
        (3, Ok(pem)) => {
            if let Ok(key) = SigningKey::from_pem(pem) {
                assert!(key.public_key().is_some());
                assert!(!format!("{key:?}").contains(pem));
            }
        }
        // Not the other way round: a duplicate member is refused, and this reading takes one.
        (4, Ok(json)) if VerifyingKey::from_jwk(json).is_ok() => {
            assert!(is_public_key(&serde_json::from_str(json).expect("JSON")));
        }
        _ => {}
    }
}

fn set(data: &[u8]) {
    let read = KeySet::from_jwks(data);
    let second = serde_json::from_slice::<Value>(data).ok();
    let entries = second
        .as_ref()
        .and_then(|set| set["keys"].as_array())
        .map_or(&[][..], Vec::as_slice);
    let Ok(set) = read else { return };
    assert!(data.len() <= 64 * 1024 && entries.len() <= 32);
    let mut expected = entries.iter().filter(|key| is_public_key(key));
    let keys: Vec<&VerifyingKey> = set.iter().collect();
    assert!(!keys.is_empty());
    for key in &keys {
        assert!(expected.any(|value| key.id() == value["kid"].as_str()));
        assert_eq!((key.issuer(), key.profile()), (None, None));
    }
    for (index, key) in keys.iter().enumerate() {
        assert!(key.id().is_none() || !keys[..index].iter().any(|other| other.id() == key.id()));
    }
    let again = KeySet::from_jwks(set.to_jwks_json().as_bytes()).expect("what was written");
    assert_eq!(again.to_jwks_json(), set.to_jwks_json());
}

/// A second statement of the rules about a public key.
fn is_public_key(key: &Value) -> bool {
    let text = |name: &str| match key.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) => Some(Some(text.as_str())),
        Some(_) => None,
    };
    let members = [
        "kty", "crv", "alg", "use", "kid", "x", "y", "k", "issuer", "profile",
    ];
    if !key.is_object() || members.iter().any(|name| text(name).is_none()) {
        return false;
    }
    let member = |name: &str| text(name).flatten();
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(member(name)?).ok();
    let algorithm = match (member("kty"), member("crv")) {
        (Some("OKP"), Some("Ed25519")) => bytes("x")
            .filter(|x| ParsedPublicKey::new(&ED25519, x).is_ok())
            .map(|_| "EdDSA"),
        (Some("EC"), Some("P-256")) => bytes("x")
            .zip(bytes("y"))
            .filter(|(x, y)| x.len() == 32 && y.len() == 32)
            .map(|(x, y)| [&[4][..], &x, &y].concat())
            .filter(|point| ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok())
            .map(|_| "ES256"),
        _ => None,
    };
    let id_is_plain = member("kid").is_none_or(|id| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    });
    algorithm.is_some_and(|own| member("alg").is_none_or(|alg| alg == own))
        && member("use").is_none_or(|usage| usage == "sig")
        && id_is_plain
}
