//! Several sources as one, and a set that the program replaces.

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use civic_auth::{
    Algorithm, Cause, KeyRefresh, KeySet, KeySource, KeySources, SharedKeySet, SigningKey,
    TokenVerifier,
};
use tokio::time::{Instant, sleep};

use super::{cause, key, minter, public};
use crate::support::{Claims, NOW, secret};

/// A source that has keys or none, as the test says, and takes a while to look for them.
#[derive(Clone, Default)]
struct Switched(Arc<Mutex<Option<Arc<KeySet>>>>, Option<Duration>);

impl Switched {
    fn set(&self, keys: Option<KeySet>) {
        *self.0.lock().expect("no panic") = keys.map(Arc::new);
    }
}

impl KeySource for Switched {
    fn current(&self) -> Option<Arc<KeySet>> {
        self.0.lock().expect("no panic").clone()
    }

    fn refresh(&self) -> Option<KeyRefresh> {
        self.1.map(|takes| KeyRefresh::new(sleep(takes)))
    }
}

fn verifier(keys: impl KeySource + 'static) -> TokenVerifier {
    TokenVerifier::from_source(keys).with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

fn bound(key: &SigningKey, issuer: &'static str) -> KeySet {
    public(key).issued_by(issuer).into()
}

fn token(key: &SigningKey, issuer: &'static str) -> String {
    let token = minter(key.clone()).with_issuer(issuer).mint();
    token.as_str().to_owned()
}

#[test]
fn the_keys_of_all_sources_count_each_for_its_own_issuer() {
    // Both call their first key `1`.
    let (billing, payroll) = (key(Algorithm::EdDsa, "1"), key(Algorithm::EdDsa, "1"));
    let changing = SharedKeySet::new(bound(&billing, "billing"));
    let keys = KeySources::new()
        .with_source(changing.clone())
        .with_source(SharedKeySet::new(bound(&payroll, "payroll")))
        .with_source(Arc::new(KeySet::from(secret())));
    let verifier = verifier(keys);
    assert_eq!(cause(&verifier, token(&billing, "billing")), Ok(()));
    assert_eq!(cause(&verifier, token(&payroll, "payroll")), Ok(()));
    assert_eq!(cause(&verifier, Claims::service().token()), Ok(()));
    let forged = token(&billing, "payroll");
    assert_eq!(cause(&verifier, forged), Err(Cause::WrongIssuer));

    // A source that changes is followed, and one that does not is not joined again.
    let before = verifier.keys().expect("keys");
    assert!(Arc::ptr_eq(&before, &verifier.keys().expect("keys")));
    let next = key(Algorithm::EdDsa, "2");
    changing.replace(bound(&next, "billing"));
    assert_eq!(cause(&verifier, token(&next, "billing")), Ok(()));
    let dead = cause(&verifier, token(&billing, "billing"));
    assert_eq!(dead, Err(Cause::WrongSignature));
}

#[test]
fn while_one_source_has_no_keys_its_tokens_are_503_and_those_of_the_others_are_accepted() {
    let (billing, payroll) = (key(Algorithm::EdDsa, "b-1"), key(Algorithm::Es256, "p-1"));
    let (down, up) = (Switched::default(), Switched::default());
    let keys = KeySources::new()
        .with_source(down.clone())
        .with_source(up.clone());
    // Joined with others, it is still known that keys are missing.
    let verifier = verifier(KeySources::new().with_source(keys));
    let unavailable = Err(Cause::KeysUnavailable);
    assert_eq!(cause(&verifier, token(&payroll, "payroll")), unavailable);

    up.set(Some(bound(&billing, "billing")));
    assert_eq!(cause(&verifier, token(&billing, "billing")), Ok(()));
    let twin = key(Algorithm::EdDsa, "b-1");
    for (name, missing) in [
        ("of another kind", token(&payroll, "payroll")),
        (
            "of the same kind",
            token(&key(Algorithm::EdDsa, "p-1"), "payroll"),
        ),
        ("of the same id", token(&twin, "payroll")),
        ("without an id", Claims::service().token()),
    ] {
        assert_eq!(cause(&verifier, missing), unavailable, "{name}");
    }
    // What no key could have made is still refused, and so is a key that is misused.
    assert_eq!(cause(&verifier, "a.b.c"), Err(Cause::MalformedHeader));
    assert_eq!(
        cause(&verifier, token(&billing, "payroll")),
        Err(Cause::WrongIssuer)
    );

    down.set(Some(bound(&payroll, "payroll")));
    assert_eq!(cause(&verifier, token(&payroll, "payroll")), Ok(()));
    assert_eq!(
        cause(&verifier, token(&twin, "payroll")),
        Err(Cause::WrongSignature)
    );
    down.set(None);
    assert_eq!(cause(&verifier, token(&payroll, "payroll")), unavailable);
}

#[test]
fn without_a_source_there_are_no_keys() {
    let verifier = verifier(KeySources::new());
    let refused = cause(&verifier, Claims::service().token());
    assert_eq!(refused, Err(Cause::KeysUnavailable));
}

#[tokio::test(start_paused = true)]
async fn all_sources_are_looked_at_at_the_same_time() {
    let after = |millis| Switched(Arc::default(), Some(Duration::from_millis(millis)));
    let keys = KeySources::new()
        .with_source(after(300))
        .with_source(SharedKeySet::new(KeySet::default()))
        .with_source(after(500))
        .with_source(after(100));
    let start = Instant::now();
    keys.refresh().expect("three of them look").await;
    assert_eq!(start.elapsed(), Duration::from_millis(500));
    let fixed = KeySources::new().with_source(SharedKeySet::new(KeySet::default()));
    assert!(fixed.refresh().is_none());
}
