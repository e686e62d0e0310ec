//! Asymmetric keys: who may mint, for whom, and how keys change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use civic_auth::{
    Algorithm, AuthErrorKind, Cause, ConfigErrorKind, KeyFile, KeyRing, KeySet, KeySource, Profile,
    Reload, Role, Secret, SigningKey, TokenMinter, TokenVerifier, UserClaims, VerifyingKey,
};

use crate::support::{Claims, HEADER, NOW, SECRET, b64, bearer, secret, sign};

/// The private and the public key of RFC 8410 section 10, as OpenSSL writes them.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

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
    assert!(!json.contains("oct") && !json.contains(SECRET), "{json}");
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
