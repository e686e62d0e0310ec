//! A token that is used once: what is required of it, for how long it is remembered, and what
//! happens while the store cannot tell.

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use civic_auth::{
    AuthError, AuthErrorKind, AuthLayer, Cause, MemoryReplayStore, OnStoreOutage, Principal,
    ReplayProtection, ReplayStore, ReplayStoreError, TokenUse, TokenVerifier, UsedToken,
};
use civic_testkit::contract::assert_ready_before_call;
use civic_testkit::log::Capture;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::time::{Instant, advance};
use tower::{ServiceBuilder, ServiceExt as _};

use crate::support::{Claims, NOW, bearer, cookie, minter, secret, verifier};

/// A clock that the test sets, in seconds since 1970.
#[derive(Clone)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW)))
    }

    fn set(&self, second: u64) {
        self.0.store(second, Ordering::Relaxed);
    }

    fn now(&self) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        let now = Arc::clone(&self.0);
        move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::Relaxed))
    }

    fn verifier(&self) -> TokenVerifier {
        TokenVerifier::new(secret()).with_clock(self.now())
    }

    fn store(&self, max_tokens: usize) -> MemoryReplayStore {
        MemoryReplayStore::new(max_tokens).with_clock(self.now())
    }
}

/// A guard that refuses what it cannot tell, at the time of the other tests.
fn guard() -> AuthLayer {
    guard_over(Clock::new().store(100))
}

fn guard_over(store: impl ReplayStore + 'static) -> AuthLayer {
    let protection = ReplayProtection::new(store, OnStoreOutage::Refuse);
    AuthLayer::new(verifier()).with_replay_protection(protection)
}

fn service(id: &str) -> String {
    Claims::service().set("jti", format!("{id:?}")).token()
}

fn post(headers: HeaderMap) -> Request<Full<Bytes>> {
    request(Method::POST, headers)
}

fn request(method: Method, headers: HeaderMap) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    request
}

/// Sends a request through a guard to a service, and returns why it was refused.
async fn send(guard: &AuthLayer, request: Request<Full<Bytes>>) -> Result<(), AuthError> {
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let service = ServiceBuilder::new().layer(guard.clone()).service_fn(
        move |request: Request<Full<Bytes>>| {
            count.fetch_add(1, Ordering::SeqCst);
            let seen = request.extensions().get::<Principal>();
            assert!(seen.is_some(), "the guard says who is calling");
            ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
        },
    );
    let response = service.oneshot(request).await.expect("infallible");
    let refusal = response.extensions().get::<AuthError>().copied();
    assert_eq!(
        reached.load(Ordering::SeqCst),
        usize::from(refusal.is_none())
    );
    refusal.map_or(Ok(()), Err)
}

async fn cause(guard: &AuthLayer, token: &str) -> Result<(), Cause> {
    let sent = send(guard, post(bearer(token))).await;
    sent.map_err(|error| error.cause())
}

/// A store that is written for one test.
struct Scripted<F>(F);

impl<F, A> ReplayStore for Scripted<F>
where
    F: Fn() -> A + Send + Sync,
    A: Future<Output = Result<TokenUse, ReplayStoreError>> + Send + 'static,
{
    fn remember(
        &self,
        _: UsedToken,
        _: SystemTime,
    ) -> Pin<Box<dyn Future<Output = Result<TokenUse, ReplayStoreError>> + Send + '_>> {
        Box::pin((self.0)())
    }
}

/// A store that keeps what it was asked, and lets everything in.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<(UsedToken, SystemTime)>>>);

impl Asked {
    fn taken(&self) -> Vec<(UsedToken, SystemTime)> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

impl ReplayStore for Asked {
    fn remember(
        &self,
        token: UsedToken,
        until: SystemTime,
    ) -> Pin<Box<dyn Future<Output = Result<TokenUse, ReplayStoreError>> + Send + '_>> {
        self.0.lock().expect("no panic").push((token, until));
        Box::pin(ready(Ok(TokenUse::First)))
    }
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
        let verified = |verifier: &TokenVerifier| {
            let verified = verifier.verify(&bearer(&token));
            verified.map(drop).map_err(|error| error.cause())
        };
        assert_eq!(verified(&lenient), Ok(()), "{name}");
        assert_eq!(verified(&strict), expected, "{name}");
        let inspection = strict.inspect(&token);
        assert_eq!(inspection.is_accepted(), expected.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn a_token_with_an_id_comes_in_once_and_without_protection_any_number_of_times() {
    let once = guard();
    let token = service("a");
    assert_eq!(cause(&once, &token).await, Ok(()));
    let error = send(&once, post(bearer(&token))).await.expect_err("used");
    assert_eq!(error.cause(), Cause::Replayed);
    assert_eq!(error.kind(), AuthErrorKind::InvalidToken);
    assert_eq!(error.message(), "Invalid or expired token");
    let clone = once.clone();
    let again = cause(&clone, &token).await;
    assert_eq!(again, Err(Cause::Replayed), "clones remember together");

    // The same id under another signature, and in another token.
    let again = Claims::service().set("jti", r#""a""#).add("x", 1).token();
    assert_eq!(cause(&once, &again).await, Err(Cause::Replayed));
    let of = |issuer: &str, id: &str| {
        let claims = Claims::service().set("jti", format!("{id:?}"));
        claims.set("iss", format!("{issuer:?}")).token()
    };
    for (name, other) in [
        ("another id", service("b")),
        ("of another issuer", of("billing", "a")),
        ("of an issuer with as long a name", of("portals", "a")),
        ("not the same two texts", of("b", "illinga")),
        ("nor these", of("billinga", "")),
        ("of an issuer without a name", of("", "a")),
    ] {
        assert_eq!(cause(&once, &other).await, Ok(()), "{name}");
        if name != "nor these" {
            assert_eq!(cause(&once, &other).await, Err(Cause::Replayed), "{name}");
        }
    }

    for (name, token) in [
        ("a user's", Claims::user().set("jti", r#""u""#).token()),
        ("Node's, which has no id", Claims::service().token()),
        ("one whose id is empty", service("")),
    ] {
        for _ in 0..3 {
            assert_eq!(cause(&once, &token).await, Ok(()), "{name}");
        }
    }
    let cookie = cookie(&Claims::user().set("jti", r#""u""#).token());
    for _ in 0..3 {
        assert_eq!(send(&once, post(cookie.clone())).await, Ok(()));
    }
    let open = AuthLayer::new(verifier());
    for _ in 0..3 {
        assert_eq!(cause(&open, &token).await, Ok(()));
    }
}

#[tokio::test]
async fn a_request_that_changes_nothing_may_be_repeated_unless_every_method_counts() {
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE];
    for method in &safe {
        let once = guard();
        let headers = bearer(service("a"));
        for _ in 0..3 {
            assert_eq!(
                send(&once, request(method.clone(), headers.clone())).await,
                Ok(())
            );
        }
    }
    let protection = ReplayProtection::new(Clock::new().store(9), OnStoreOutage::Refuse);
    let every = AuthLayer::new(verifier()).with_replay_protection(protection.with_every_method());
    for method in safe {
        let headers = bearer(service(method.as_str()));
        assert_eq!(
            send(&every, request(method.clone(), headers.clone())).await,
            Ok(())
        );
        let again = send(&every, request(method, headers.clone())).await;
        assert_eq!(again.map_err(|error| error.cause()), Err(Cause::Replayed));
        // Nor does its token serve for another request.
        let other = send(&every, post(headers)).await;
        assert_eq!(other.map_err(|error| error.cause()), Err(Cause::Replayed));
    }
}

#[tokio::test]
async fn only_a_token_that_has_kept_every_other_rule_is_remembered() {
    let asked = Asked::default();
    let named = verifier().with_service_name("roll");
    let protection = ReplayProtection::new(asked.clone(), OnStoreOutage::Refuse);
    let once = AuthLayer::new(named.clone())
        .with_public_paths(["/open"])
        .with_replay_protection(protection);
    let token = service("a");
    assert!(named.inspect(&token).is_accepted());
    let (message, _) = token.rsplit_once('.').expect("three parts");
    let claims = || Claims::service().set("jti", r#""a""#);
    for (name, refused, expected) in [
        (
            "forged",
            format!("{message}.{}", "A".repeat(43)),
            Cause::WrongSignature,
        ),
        (
            "expired",
            claims().set("iat", NOW - 30).set("exp", NOW).token(),
            Cause::Expired,
        ),
        (
            "for another service",
            claims().set("aud", r#""bills""#).token(),
            Cause::WrongAudience,
        ),
        (
            "half a user",
            claims().set("role", r#""AUDITOR""#).token(),
            Cause::MixedProfiles,
        ),
    ] {
        assert_eq!(cause(&once, &refused).await, Err(expected), "{name}");
    }
    let mut open = post(bearer(&token));
    *open.uri_mut() = "/open".parse().expect("a path");
    let service =
        ServiceBuilder::new()
            .layer(once.clone())
            .service_fn(|_: Request<Full<Bytes>>| {
                ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
            });
    let response = service.oneshot(open).await.expect("infallible");
    assert_eq!(response.status(), 200, "a public path is not guarded");
    assert_eq!(asked.taken(), []);

    assert_eq!(cause(&once, &token).await, Ok(()));
    let until = UNIX_EPOCH + Duration::from_secs(NOW + 30);
    assert_eq!(asked.taken(), [(UsedToken::new(None, "a"), until)]);
    let skewed = named.with_skew(Duration::from_millis(500)).expect("a skew");
    let protection = ReplayProtection::new(asked.clone(), OnStoreOutage::Refuse);
    let once = AuthLayer::new(skewed).with_replay_protection(protection);
    let claims = claims().set("iss", r#""billing""#).set("aud", r#""roll""#);
    assert_eq!(cause(&once, &claims.token()).await, Ok(()));
    let until = until + Duration::from_millis(500);
    assert_eq!(
        asked.taken(),
        [(UsedToken::new(Some("billing"), "a"), until)]
    );
}

#[tokio::test]
async fn a_token_is_remembered_for_as_long_as_it_could_be_used_and_the_memory_is_bounded() {
    for skew in [0, 500, 30_000] {
        let clock = Clock::new();
        let verifier = clock.verifier().with_skew(Duration::from_millis(skew));
        let protection = ReplayProtection::new(clock.store(2), OnStoreOutage::Refuse);
        let once = AuthLayer::new(verifier.expect("a skew")).with_replay_protection(protection);
        for id in ["a", "b"] {
            assert_eq!(cause(&once, &service(id)).await, Ok(()));
        }
        let last = NOW + 30 + skew.div_ceil(1000) - 1;
        for second in [NOW, NOW + 29, last] {
            clock.set(second);
            for id in ["a", "b"] {
                let again = cause(&once, &service(id)).await;
                assert_eq!(again, Err(Cause::Replayed), "skew {skew}, {second}");
            }
        }

        // Full: to forget one of them would be to let it in twice.
        clock.set(NOW);
        let error = send(&once, post(bearer(service("c"))))
            .await
            .expect_err("full");
        assert_eq!(error.cause(), Cause::ReplayStoreFull);
        assert_eq!(error.kind(), AuthErrorKind::Unavailable);

        // Those two are dead, and make room in the second in which they die.
        let later = last + 1;
        clock.set(later);
        assert_eq!(cause(&once, &service("a")).await, Err(Cause::Expired));
        let fresh = Claims::service().set("iat", later).set("exp", later + 30);
        for id in ["c", "d"] {
            let token = fresh.clone().set("jti", format!("{id:?}")).token();
            assert_eq!(cause(&once, &token).await, Ok(()), "skew {skew}");
        }
    }
}

#[test]
fn of_many_at_once_one_comes_in() {
    let once = guard();
    for round in 0..20 {
        let token = service(&round.to_string());
        let admitted = std::thread::scope(|scope| {
            let uses: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let runtime = tokio::runtime::Builder::new_current_thread()
                            .enable_all()
                            .build()
                            .expect("a runtime");
                        usize::from(runtime.block_on(cause(&once, &token)).is_ok())
                    })
                })
                .collect();
            let uses = uses.into_iter().map(|used| used.join().expect("no panic"));
            uses.sum::<usize>()
        });
        assert_eq!(admitted, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_of_the_store_the_choice_decides_and_the_log_says_so() {
    let capture = Capture::start();
    let broken = || Scripted(|| ready(Err(ReplayStoreError::unavailable("connection refused"))));
    let silent = || Scripted(pending::<Result<TokenUse, ReplayStoreError>>);
    let full = || Scripted(|| ready(Err(ReplayStoreError::Full)));
    let refuse = |store: Arc<dyn ReplayStore>| ReplayProtection::new(store, OnStoreOutage::Refuse);
    for (name, protection, expected, waited) in [
        (
            "broken",
            refuse(Arc::new(broken())),
            Cause::ReplayStoreUnavailable,
            0,
        ),
        (
            "silent",
            refuse(Arc::new(silent())),
            Cause::ReplayStoreUnavailable,
            1000,
        ),
        (
            "silent, with a timeout",
            refuse(Arc::new(silent())).with_timeout(Duration::from_millis(50)),
            Cause::ReplayStoreUnavailable,
            50,
        ),
        ("full", refuse(Arc::new(full())), Cause::ReplayStoreFull, 0),
    ] {
        let began = Instant::now();
        let once = AuthLayer::new(verifier()).with_replay_protection(protection);
        let error = send(&once, post(bearer(service("a"))))
            .await
            .expect_err(name);
        assert_eq!(error.cause(), expected, "{name}");
        assert_eq!(began.elapsed().as_millis(), waited, "{name}");
        assert_eq!(error.kind(), AuthErrorKind::Unavailable, "{name}");
        // Not executed, in the words that a client repeats every method for.
        let response = error.into_response::<Bytes>(None);
        assert_eq!(response.status(), 503, "{name}");
        assert_eq!(response.headers()["retry-after"], "1", "{name}");
        assert!(!response.headers().contains_key("x-should-retry"), "{name}");
    }
    assert!(
        capture.text().contains("connection refused"),
        "{}",
        capture.text()
    );

    let accept = ReplayProtection::new(broken(), OnStoreOutage::Accept);
    let once = AuthLayer::new(verifier()).with_replay_protection(accept);
    let warnings = || {
        let text = capture.text();
        text.matches("let in although it is not known").count()
    };
    for _ in 0..5 {
        assert_eq!(cause(&once, &service("a")).await, Ok(()));
    }
    assert_eq!(warnings(), 1, "one warning per minute");
    advance(Duration::from_secs(61)).await;
    assert_eq!(cause(&once, &service("a")).await, Ok(()));
    assert_eq!(warnings(), 2);
    assert!(capture.text().contains("requests=5"), "{}", capture.text());
    // What the other rules say counts all the same.
    let expired = Claims::service()
        .set("iat", NOW - 30)
        .set("exp", NOW)
        .token();
    assert_eq!(cause(&once, &expired).await, Err(Cause::Expired));
}

#[tokio::test]
async fn a_refused_repetition_is_drained_and_audited_and_its_caller_is_told_no_more() {
    let capture = Capture::start();
    let once = guard().with_audit(|_| Some("/bills".to_owned()));
    let headers = bearer(service("a"));
    assert_eq!(send(&once, post(headers.clone())).await, Ok(()));
    let service = ServiceBuilder::new()
        .layer(once)
        .service_fn(|_: Request<Full<Bytes>>| {
            ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
        });
    let response = service.oneshot(post(headers)).await.expect("infallible");
    assert_eq!(response.status(), 401);
    let body = response.into_body().collect().await.expect("infallible");
    let body = String::from_utf8(body.to_bytes().to_vec()).expect("text");
    assert!(
        body.contains("Invalid or expired token") && !body.contains("replay"),
        "{body}"
    );
    let log = capture.text();
    assert!(log.contains(r#"outcome="replayed""#), "{log}");
}

#[tokio::test]
async fn a_caller_that_goes_while_the_store_is_asked_is_not_served() {
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let once = guard_over(Scripted(pending::<Result<TokenUse, ReplayStoreError>>));
    let guarded = ServiceBuilder::new()
        .layer(once)
        .service_fn(move |_: Request<Full<Bytes>>| {
            count.fetch_add(1, Ordering::SeqCst);
            ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
        });
    let call = tokio::spawn(guarded.oneshot(post(bearer(service("a")))));
    tokio::task::yield_now().await;
    call.abort();
    assert!(call.await.expect_err("aborted").is_cancelled());
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_instance_that_is_ready_is_the_one_that_is_called() {
    // Lets the one token of the test in again and again.
    let once = guard_over(Asked::default());
    let request = post(bearer(service("a")));
    assert_ready_before_call(once, request).await;
}

#[test]
fn the_name_of_a_used_token_is_a_hash_that_any_store_can_keep() {
    let name = UsedToken::new(Some("billing"), "a");
    assert_eq!(name, UsedToken::new(Some("billing"), "a"));
    let text = name.to_string();
    assert_eq!(text.len(), 64);
    assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let hex: String = name
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(text, hex);
    assert!(!format!("{name:?}{name}").contains("billing"));
    let others = [
        UsedToken::new(None, "a"),
        UsedToken::new(Some(""), "a"),
        UsedToken::new(Some("portals"), "a"),
        UsedToken::new(Some("billing"), "b"),
        UsedToken::new(Some("billing"), ""),
        UsedToken::new(Some("billinga"), ""),
        UsedToken::new(None, "billinga"),
    ];
    assert!(others.iter().all(|other| *other != name));
    assert_ne!(others[0], others[1]);
}
