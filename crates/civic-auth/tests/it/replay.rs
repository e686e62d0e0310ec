//! A token that is used once: what is required of it, and for how long it is remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use civic_auth::{AuthErrorKind, Cause, TokenVerifier};

use crate::support::{Claims, NOW, bearer, minter, secret, verifier};

/// A verifier whose clock the test sets.
fn verifier_with_clock() -> (TokenVerifier, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(NOW));
    let now = Arc::clone(&clock);
    let verifier = TokenVerifier::new(secret())
        .with_clock(move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::Relaxed)));
    (verifier, clock)
}

fn cause(verifier: &TokenVerifier, token: &str) -> Result<(), Cause> {
    let result = verifier.verify(&bearer(token));
    result.map(drop).map_err(|error| error.cause())
}

fn service(id: &str) -> String {
    Claims::service().set("jti", format!("{id:?}")).token()
}

#[test]
fn a_service_token_without_an_id_is_refused_only_once_one_is_required() {
    let (lenient, strict) = (verifier(), verifier().require_token_id());
    for (name, token, expected) in [
        ("none", Claims::service().token(), Err(Cause::NoTokenId)),
        ("empty", service(""), Err(Cause::NoTokenId)),
        ("one", service("a"), Ok(())),
        ("a user's", Claims::user().token(), Ok(())),
        (
            "of the minter",
            minter().with_token_ids().mint().as_str().to_owned(),
            Ok(()),
        ),
    ] {
        assert_eq!(cause(&lenient, &token), Ok(()), "{name}");
        assert_eq!(cause(&strict, &token), expected, "{name}");
        let inspection = strict.inspect(&token);
        assert_eq!(inspection.is_accepted(), expected.is_ok(), "{name}");
    }
}

#[test]
fn a_token_with_an_id_comes_in_once_and_without_the_window_any_number_of_times() {
    let window = verifier().with_replay_window(100);
    let token = service("a");
    assert_eq!(cause(&window, &token), Ok(()));
    let error = window.verify(&bearer(&token)).unwrap_err();
    assert_eq!(error.cause(), Cause::Replayed);
    assert_eq!(error.kind(), AuthErrorKind::InvalidToken);
    assert_eq!(error.message(), "Invalid or expired token");
    let clone = window.clone();
    assert_eq!(
        cause(&clone, &token),
        Err(Cause::Replayed),
        "clones remember together"
    );

    // The same id under another signature, and in another token.
    let again = Claims::service().set("jti", r#""a""#).add("x", 1).token();
    assert_eq!(cause(&window, &again), Err(Cause::Replayed));
    for (name, other) in [
        ("another id", service("b")),
        (
            "of another issuer",
            Claims::service()
                .set("jti", r#""a""#)
                .set("iss", r#""billing""#)
                .token(),
        ),
        (
            "not the same two texts",
            Claims::service()
                .set("jti", r#""illinga""#)
                .set("iss", r#""b""#)
                .token(),
        ),
    ] {
        assert_eq!(cause(&window, &other), Ok(()), "{name}");
        assert_eq!(cause(&window, &other), Err(Cause::Replayed), "{name}");
    }

    for (name, token) in [
        ("a user's", Claims::user().set("jti", r#""u""#).token()),
        ("Node's, which has no id", Claims::service().token()),
    ] {
        for _ in 0..3 {
            assert_eq!(cause(&window, &token), Ok(()), "{name}");
        }
    }
    let open = verifier();
    for _ in 0..3 {
        assert_eq!(cause(&open, &token), Ok(()));
    }
}

#[test]
fn a_refused_token_and_an_inspected_one_are_not_used_up() {
    let window = verifier().with_replay_window(100);
    let token = service("a");
    assert!(window.inspect(&token).is_accepted());
    let (message, _) = token.rsplit_once('.').expect("three parts");
    let forged = format!("{message}.{}", "A".repeat(43));
    assert_eq!(cause(&window, &forged), Err(Cause::WrongSignature));
    assert_eq!(cause(&window, &token), Ok(()));
}

#[test]
fn a_token_is_remembered_for_as_long_as_it_could_be_used_and_the_memory_is_bounded() {
    let (verifier, clock) = verifier_with_clock();
    let skewed = |skew| {
        let verifier = verifier.clone().with_skew(Duration::from_millis(skew));
        verifier.expect("a skew").with_replay_window(2)
    };
    for skew in [0, 500, 30_000] {
        let window = skewed(skew);
        clock.store(NOW, Ordering::Relaxed);
        for id in ["a", "b"] {
            assert_eq!(cause(&window, &service(id)), Ok(()));
        }
        let last = NOW + 30 + skew.div_ceil(1000) - 1;
        for second in [NOW, NOW + 29, last] {
            clock.store(second, Ordering::Relaxed);
            assert_eq!(cause(&window, &service("a")), Err(Cause::Replayed));
            assert_eq!(cause(&window, &service("b")), Err(Cause::Replayed));
        }

        // Full: to let it in would be to let it in twice.
        clock.store(NOW, Ordering::Relaxed);
        let error = window.verify(&bearer(service("c"))).unwrap_err();
        assert_eq!(error.cause(), Cause::ReplayWindowFull);
        assert_eq!(error.kind(), AuthErrorKind::Unavailable);
        let response = error.into_response::<Bytes>(None);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");

        // Those two are dead, and make room.
        let later = last + 2;
        clock.store(later, Ordering::Relaxed);
        assert_eq!(cause(&window, &service("a")), Err(Cause::Expired));
        let fresh = Claims::service().set("iat", later).set("exp", later + 30);
        for id in ["c", "d"] {
            let token = fresh.clone().set("jti", format!("{id:?}")).token();
            assert_eq!(cause(&window, &token), Ok(()), "skew {skew}");
        }
    }
}

#[test]
fn of_many_at_once_one_comes_in() {
    let window = verifier().with_replay_window(100);
    for round in 0..20 {
        let token = service(&round.to_string());
        let admitted = std::thread::scope(|scope| {
            let uses: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| usize::from(cause(&window, &token).is_ok())))
                .collect();
            let uses = uses.into_iter().map(|used| used.join().expect("no panic"));
            uses.sum::<usize>()
        });
        assert_eq!(admitted, 1);
    }
}
