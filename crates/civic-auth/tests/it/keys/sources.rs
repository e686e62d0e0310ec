//! Sets of keys, and the files that they are read from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use civic_auth::{
    Algorithm, AuthErrorKind, Cause, ConfigErrorKind, KeyFile, KeySet, KeySource, Reload,
    SigningKey, TokenMinter, TokenVerifier, VerifyingKey,
};
use civic_testkit::log::Capture;

use super::{cause, key, minter, public};
use crate::support::{Claims, NOW, SECRET, b64, bearer, secret};

#[test]
fn without_keys_the_answer_is_503_with_retry_after_and_never_401() {
    struct NoKeys;
    impl KeySource for NoKeys {
        fn current(&self) -> Option<Arc<KeySet>> {
            None
        }
    }
    let verifier = TokenVerifier::from_source(NoKeys);
    let error = verifier
        .verify(&bearer(Claims::service().token()))
        .unwrap_err();
    assert_eq!(error.cause(), Cause::KeysUnavailable);
    assert_eq!(error.kind(), AuthErrorKind::Unavailable);
    let response = error.into_response::<Bytes>(None);
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(!response.headers().contains_key("www-authenticate"));
}

#[test]
fn a_set_that_is_read_has_public_keys_only_and_its_bounds() {
    let keys: Vec<SigningKey> = (0..33)
        .map(|number| key(Algorithm::EdDsa, &number.to_string()))
        .collect();
    let set = |count: usize| -> KeySet { keys[..count].iter().map(public).collect() };
    let json = set(32).with_key(secret()).to_jwks_json();
    assert!(
        !json.contains(r#""oct""#) && !json.contains(SECRET),
        "{json}"
    );
    let read = KeySet::from_jwks(json.as_bytes()).expect("a set");
    assert_eq!(read.iter().count(), 32);

    let invalid = ConfigErrorKind::InvalidKeySet;
    let duplicate = set(1).with_key(public(&key(Algorithm::EdDsa, "0")));
    let large = format!(r#"{{"x":"{}","keys":[]}}"#, "x".repeat(64 * 1024));
    let oct = format!(r#"{{"keys":[{{"kty":"oct","k":"{}"}}]}}"#, b64(SECRET));
    for json in [
        &set(33).to_jwks_json(),
        &duplicate.to_jwks_json(),
        &large,
        &oct,
        r#"{"keys":[]}"#,
        "[]",
        "",
    ] {
        let error = KeySet::from_jwks(json.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), invalid, "{json:.60}");
    }
}

/// A file that is removed with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("civic-auth-{}-{name}.json", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).expect("a file");
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_set_from_elsewhere_binds_no_key_and_an_odd_key_in_it_does_not_spoil_the_others() {
    let good = public(&key(Algorithm::EdDsa, "good"))
        .to_jwk()
        .expect("public");
    let bound = good.replace('}', r#","issuer":"billing","profile":"service"}"#);
    for odd in [
        "{}".to_owned(),
        "7".to_owned(),
        r#"{"kty":7}"#.to_owned(),
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"r"}"#.to_owned(),
        r#"{"kty":"OKP","crv":"Ed25519","x":"AQAB","kid":"short"}"#.to_owned(),
        r#"{"kty":"EC","crv":"P-256","x":"AQAB","kid":"no-y"}"#.to_owned(),
        good.replace("good", "dotted.id"),
        good.replace("good", "other").replace("sig", "enc"),
        good.replace("good", "other")
            .replace('}', r#","profile":"neither"}"#)
            .replace("EdDSA", "ES256"),
        oct(SECRET, "shared"),
    ] {
        let json = format!(r#"{{"keys":[{odd},{bound}]}}"#);
        let set = KeySet::from_jwks(json.as_bytes()).expect("the good key");
        let ids: Vec<_> = set.iter().map(VerifyingKey::id).collect();
        assert_eq!(ids, [Some("good")], "{odd}");
        let key = set.iter().next().expect("the good key");
        assert_eq!((key.issuer(), key.profile()), (None, None));
    }
    // In a file of this machine it is a mistake of the operator's, and never passed over.
    for (odd, kind) in [
        ("{}", ConfigErrorKind::InvalidKey),
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"AQAB"}"#,
            ConfigErrorKind::InvalidKey,
        ),
        (
            &good.replace("good", "dotted.id"),
            ConfigErrorKind::InvalidKeyId,
        ),
        (
            &good.replace('}', r#","profile":"neither"}"#),
            ConfigErrorKind::InvalidKey,
        ),
    ] {
        let file = File::new("odd", &format!(r#"{{"keys":[{odd}]}}"#));
        let error = KeyFile::open(&file.0).unwrap_err();
        assert_eq!(error.kind(), kind, "{odd}");
    }
}

#[test]
fn a_published_secret_or_private_key_is_reported_without_its_value_and_never_used() {
    let good = public(&key(Algorithm::EdDsa, "good"));
    let good = good.to_jwk().expect("public");
    let private = good
        .replace("good", "leaked")
        .replace('}', r#","d":"c2VjcmV0LXNlY3JldA"}"#);
    for (leaked, words) in [
        (oct(SECRET, "leaked"), "shared secret"),
        (private, "private key"),
    ] {
        let capture = Capture::start();
        let json = format!(r#"{{"keys":[{leaked},{good}]}}"#);
        let set = KeySet::from_jwks(json.as_bytes()).expect("the good key");
        let ids: Vec<_> = set.iter().map(VerifyingKey::id).collect();
        assert_eq!(ids, [Some("good")], "{words}");
        let log = capture.text();
        assert!(log.contains("WARN") && log.contains(words), "{log}");
        assert!(log.contains("leaked"), "{log}");
        assert!(
            !log.contains("c2VjcmV0") && !log.contains(&b64(SECRET)),
            "{log}"
        );
    }
    // In a file of this machine, a private key is the operator's mistake.
    let private = good.replace('}', r#","d":"c2VjcmV0LXNlY3JldA"}"#);
    assert!(VerifyingKey::from_jwk(&private).is_err());
    let file = File::new("private", &format!(r#"{{"keys":[{private}]}}"#));
    let error = KeyFile::open(&file.0).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::InvalidKey);
}

#[test]
fn a_key_that_is_not_for_verifying_is_passed_over() {
    let good = public(&key(Algorithm::EdDsa, "good"));
    let good = good.to_jwk().expect("public");
    for (usage, is_used) in [
        (r#""use":"enc""#, false),
        (r#""key_ops":[]"#, false),
        (r#""key_ops":["sign"]"#, false),
        (r#""key_ops":["verify"],"use":"enc""#, false),
        (r#""key_ops":["sign","verify"]"#, true),
        (r#""key_ops":["verify"],"use":"sig""#, true),
    ] {
        let jwk = good.replace(r#""use":"sig""#, usage);
        let set = KeySet::from_jwks(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes());
        assert_eq!(set.is_ok(), is_used, "{usage}");
        assert_eq!(VerifyingKey::from_jwk(&jwk).is_ok(), is_used, "{usage}");
        let shared = oct(SECRET, "s").replace('}', &format!(",{usage}}}"));
        let file = File::new("usage", &format!(r#"{{"keys":[{shared}]}}"#));
        assert_eq!(KeyFile::open(&file.0).is_ok(), is_used, "{usage}");
    }
}

fn oct(secret: &str, id: &str) -> String {
    format!(r#"{{"kty":"oct","k":"{}","kid":"{id}"}}"#, b64(secret))
}

#[test]
fn a_key_file_is_followed_and_one_with_a_fault_changes_nothing() {
    let billing = key(Algorithm::EdDsa, "b");
    let bound = public(&billing).to_jwk().expect("public");
    let bound = bound.replace('}', r#","issuer":"billing","profile":"service"}"#);
    let file = File::new("follow", &format!(r#"{{"keys":[{}]}}"#, oct(SECRET, "s")));
    let keys = KeyFile::open(&file.0).expect("keys");
    let verifier = TokenVerifier::from_source(keys.clone())
        .with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW));
    let hs256 = Claims::service().token();
    let eddsa = minter(billing).with_issuer("billing").mint();
    assert_eq!(cause(&verifier, &hs256), Ok(()));
    assert_eq!(cause(&verifier, eddsa.as_str()), Err(Cause::WrongAlgorithm));
    assert_eq!(keys.reload().ok(), Some(Reload::Unchanged));

    file.write(&format!(r#"{{"keys":[{},{bound}]}}"#, oct(SECRET, "s")));
    assert_eq!(keys.reload().ok(), Some(Reload::Changed));
    assert_eq!(cause(&verifier, &hs256), Ok(()));
    assert_eq!(cause(&verifier, eddsa.as_str()), Ok(()));

    for fault in [
        "",
        "{",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","k":"c2hvcnQ"}]}"#,
    ] {
        file.write(fault);
        assert!(keys.reload().is_err(), "{fault}");
        assert_eq!(cause(&verifier, &hs256), Ok(()), "{fault}");
    }

    file.write(&format!(r#"{{"keys":[{bound}]}}"#));
    assert_eq!(keys.reload().ok(), Some(Reload::Changed));
    assert!(
        cause(&verifier, &hs256).is_err(),
        "a key that was removed is dead"
    );
    assert_eq!(cause(&verifier, eddsa.as_str()), Ok(()));
    let unreadable = KeyFile::open("/no/such/file").unwrap_err();
    assert_eq!(unreadable.kind(), ConfigErrorKind::UnreadableFile);
}

#[tokio::test(start_paused = true)]
async fn a_watched_file_is_looked_at_again_and_again_even_after_a_fault() {
    let file = File::new("watch", &format!(r#"{{"keys":[{}]}}"#, oct(SECRET, "s")));
    let keys = KeyFile::open(&file.0).expect("keys");
    let ids = |keys: &KeyFile| -> Vec<String> {
        let keys = keys.current().expect("keys");
        keys.iter()
            .filter_map(|key| key.id().map(str::to_owned))
            .collect()
    };
    let watch = tokio::spawn(keys.clone().watch(Duration::from_secs(10)));
    for (text, expected) in [
        (format!(r#"{{"keys":[{}]}}"#, oct(SECRET, "t")), ["t"]),
        ("{".to_owned(), ["t"]),
        (format!(r#"{{"keys":[{}]}}"#, oct(SECRET, "u")), ["u"]),
    ] {
        file.write(&text);
        tokio::time::sleep(Duration::from_secs(21)).await;
        assert_eq!(ids(&keys), expected, "{text}");
    }
    watch.abort();
}

/// A service of the fleet: it calls, and it is called.
struct Service {
    minter: TokenMinter,
    file: File,
    keys: KeyFile,
    verifier: TokenVerifier,
}

impl Service {
    fn new(number: usize, keys: &str) -> Self {
        let file = File::new(&format!("service-{number}"), keys);
        let keys = KeyFile::open(&file.0).expect("keys");
        Self {
            minter: minter(secret()),
            file,
            verifier: TokenVerifier::from_source(keys.clone())
                .with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW)),
            keys,
        }
    }
}

#[test]
fn the_documented_way_from_a_secret_to_a_key_to_a_new_key_refuses_no_call() {
    let (first, second) = (
        key(Algorithm::EdDsa, "first"),
        key(Algorithm::EdDsa, "second"),
    );
    let shared = oct(SECRET, "shared");
    let jwk = |key: &SigningKey| public(key).to_jwk().expect("public");
    let set = |keys: &[String]| format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    let fleet: Vec<Service> = (0..3)
        .map(|number| Service::new(number, &set(std::slice::from_ref(&shared))))
        .collect();
    let calls = || {
        for caller in &fleet {
            for callee in &fleet {
                for _ in 0..20 {
                    let token = caller.minter.mint();
                    assert_eq!(cause(&callee.verifier, token.as_str()), Ok(()));
                }
            }
        }
    };
    // Each step reaches one service after the other, and there are calls in between.
    let publish = |keys: &[String]| {
        for service in &fleet {
            service.file.write(&set(keys));
            assert_eq!(service.keys.reload().ok(), Some(Reload::Changed));
            calls();
        }
    };
    let sign_with = |key: &SigningKey| {
        for service in &fleet {
            service.minter.replace_key(key.clone());
            calls();
        }
    };
    calls();
    publish(&[shared, jwk(&first)]);
    sign_with(&first);
    publish(&[jwk(&first)]);
    publish(&[jwk(&first), jwk(&second)]);
    sign_with(&second);

    // The last step needs to know that the old key is not used any more.
    let uses = |id: &str| {
        let keys = fleet[0].verifier.keys().expect("keys");
        keys.iter()
            .find(|key| key.id() == Some(id))
            .map(VerifyingKey::uses)
    };
    let before = (uses("first"), uses("second"));
    calls();
    assert_eq!(uses("first"), before.0);
    assert!(uses("second") > before.1);
    publish(&[jwk(&second)]);
    assert_eq!(uses("first"), None);
}
