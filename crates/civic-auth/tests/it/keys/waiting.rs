//! The guard waits once for newer keys, and only where they could help.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use civic_auth::{
    Algorithm, AuthError, AuthLayer, Cause, KeyRefresh, KeySet, KeySource, MemoryReplayStore,
    OnStoreOutage, Principal, ReplayProtection, SharedKeySet, SigningKey, TokenVerifier,
    TransactionTokens,
};
use http::{Request, Response};
use http_body_util::Empty;
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};

use super::{clerk, key, minter, public};
use crate::support::{Claims, NOW, bearer};

/// A source that finds its next set when it is asked to look, after a while.
#[derive(Clone)]
struct Slow(Arc<Inner>);

struct Inner {
    keys: Mutex<Option<Arc<KeySet>>>,
    next: Mutex<Option<Arc<KeySet>>>,
    takes: Duration,
    asked: AtomicUsize,
}

impl Slow {
    fn new(keys: Option<KeySet>, next: Option<KeySet>, takes: Duration) -> Self {
        Self(Arc::new(Inner {
            keys: Mutex::new(keys.map(Arc::new)),
            next: Mutex::new(next.map(Arc::new)),
            takes,
            asked: AtomicUsize::new(0),
        }))
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::Relaxed)
    }
}

impl KeySource for Slow {
    fn current(&self) -> Option<Arc<KeySet>> {
        self.0.keys.lock().expect("no panic").clone()
    }

    fn refresh(&self) -> Option<KeyRefresh> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        let inner = Arc::clone(&self.0);
        Some(KeyRefresh::new(async move {
            sleep(inner.takes).await;
            if let Some(next) = inner.next.lock().expect("no panic").take() {
                *inner.keys.lock().expect("no panic") = Some(next);
            }
        }))
    }
}

/// A service that may be called only as often as it was ready.
#[derive(Default)]
struct Strict {
    ready: usize,
    calls: Arc<AtomicUsize>,
}

impl Clone for Strict {
    /// A clone is not ready.
    fn clone(&self) -> Self {
        Self {
            ready: 0,
            calls: Arc::clone(&self.calls),
        }
    }
}

impl Service<Request<Empty<Bytes>>> for Strict {
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = 1;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        assert_eq!(self.ready, 1, "it was polled ready");
        self.ready = 0;
        assert!(request.extensions().get::<Principal>().is_some());
        self.calls.fetch_add(1, Ordering::Relaxed);
        ready(Ok(Response::default()))
    }
}

#[derive(Debug, PartialEq)]
struct Outcome {
    status: u16,
    cause: Option<Cause>,
    took: Duration,
    calls: usize,
}

fn verifier(keys: impl KeySource + 'static) -> TokenVerifier {
    TokenVerifier::from_source(keys).with_clock(|| UNIX_EPOCH + Duration::from_secs(NOW))
}

async fn call(guard: AuthLayer, token: &str) -> Outcome {
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = bearer(token);
    call_with(guard, request).await
}

async fn call_with(guard: AuthLayer, request: Request<Empty<Bytes>>) -> Outcome {
    let service = Strict::default();
    let calls = Arc::clone(&service.calls);
    let mut guarded = guard.layer(service);
    let start = Instant::now();
    let answer = guarded.ready().await.expect("infallible").call(request);
    let answer = answer.await.expect("infallible");
    // It can be used again.
    let _ = guarded.ready().await.expect("infallible");
    Outcome {
        status: answer.status().as_u16(),
        cause: answer
            .extensions()
            .get()
            .map(|error: &AuthError| error.cause()),
        took: start.elapsed(),
        calls: calls.load(Ordering::Relaxed),
    }
}

fn token(key: &SigningKey) -> String {
    minter(key.clone()).mint().as_str().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_request_with_a_known_key_never_waits() {
    let known = key(Algorithm::EdDsa, "known");
    let keys = Slow::new(Some(public(&known).into()), None, Duration::from_secs(1));
    let outcome = call(verifier(keys.clone()).into(), &token(&known)).await;
    assert_eq!(
        (outcome.status, outcome.took, outcome.calls),
        (200, Duration::ZERO, 1)
    );
    // Nor does one that newer keys could not help.
    let stranger = key(Algorithm::EdDsa, "known");
    for token in [
        "",
        "a.b.c",
        &token(&stranger),
        &token(&known).replace('.', ".."),
    ] {
        let outcome = call(verifier(keys.clone()).into(), token).await;
        assert_eq!(
            (outcome.status, outcome.took, outcome.calls),
            (401, Duration::ZERO, 0)
        );
    }
    assert_eq!(keys.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_key_is_not_there_waits_for_newer_ones_and_is_decided_with_them() {
    let (known, new) = (key(Algorithm::EdDsa, "known"), key(Algorithm::EdDsa, "new"));
    let other_kind = key(Algorithm::Es256, "new");
    let both = || -> KeySet { [public(&known), public(&new)].into_iter().collect() };
    let takes = Duration::from_millis(700);
    for (name, before, after, key, expected) in [
        (
            "a new key",
            Some(public(&known).into()),
            Some(both()),
            &new,
            (200, None, 1),
        ),
        ("the first keys", None, Some(both()), &new, (200, None, 1)),
        (
            "another kind",
            Some(public(&known).into()),
            Some(public(&other_kind).into()),
            &other_kind,
            (200, None, 1),
        ),
        (
            "not among them",
            Some(public(&known).into()),
            Some(public(&known).into()),
            &new,
            (401, Some(Cause::UnknownKey), 0),
        ),
        (
            "none",
            None,
            None,
            &new,
            (503, Some(Cause::KeysUnavailable), 0),
        ),
    ] {
        let keys = Slow::new(before, after, takes);
        let outcome = call(verifier(keys.clone()).into(), &token(key)).await;
        assert_eq!(
            (outcome.status, outcome.cause, outcome.calls),
            expected,
            "{name}"
        );
        assert_eq!(outcome.took, takes, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_a_second_at_most() {
    let (known, new) = (key(Algorithm::EdDsa, "known"), key(Algorithm::EdDsa, "new"));
    let never = Duration::from_secs(1_000_000);
    let keys = Slow::new(
        Some(public(&known).into()),
        Some(public(&new).into()),
        never,
    );
    let outcome = call(verifier(keys.clone()).into(), &token(&new)).await;
    assert_eq!(outcome.took, KeyRefresh::MAX_WAIT);
    assert_eq!(KeyRefresh::MAX_WAIT, Duration::from_secs(1));
    assert_eq!((outcome.status, outcome.calls), (401, 0));
}

#[tokio::test(start_paused = true)]
async fn who_is_let_in_without_a_token_and_on_public_paths_never_waits() {
    let keys = Slow::new(None, None, Duration::from_secs(1));
    let guard = AuthLayer::new(verifier(keys.clone())).with_public_paths(["/health"]);
    let outcome = call_with(guard, Request::new(Empty::new())).await;
    assert_eq!((outcome.status, outcome.took), (401, Duration::ZERO));
    assert_eq!(keys.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_token_waits_as_well_and_its_bearer_is_admitted_once() {
    let caller = key(Algorithm::EdDsa, "caller");
    let (old, new) = (key(Algorithm::EdDsa, "t-1"), key(Algorithm::EdDsa, "t-2"));
    let now = || UNIX_EPOCH + Duration::from_secs(NOW);
    // The token that a service which admits users has minted with the new key.
    let minting = TransactionTokens::with_keys(
        Some(new.clone()),
        Arc::new(KeySet::from(public(&new))),
        "desk",
    )
    .with_clock(now);
    let txn = forwarded_by(minting).await;

    let takes = Duration::from_millis(400);
    for (next, expected) in [
        (public(&new), (200, None, 1)),
        (public(&old), (401, Some(Cause::InvalidTransaction), 0)),
    ] {
        let keys = Slow::new(Some(public(&old).into()), Some(next.into()), takes);
        let tokens = TransactionTokens::with_keys(None, keys, "roll").with_clock(now);
        // A token that comes in once: the store is asked once, after the wait.
        let store = MemoryReplayStore::new(10);
        let protection = ReplayProtection::new(store, OnStoreOutage::Refuse).with_every_method();
        let guard = AuthLayer::new(verifier(SharedKeySet::new(public(&caller))))
            .with_transactions(tokens)
            .with_replay_protection(protection);
        let bearer_token = minter(caller.clone()).with_token_ids().mint();
        let mut request = Request::new(Empty::new());
        *request.headers_mut() = bearer(bearer_token.as_str());
        request.headers_mut().insert("txn-token", txn.clone());
        let outcome = call_with(guard, request).await;
        assert_eq!((outcome.status, outcome.cause, outcome.calls), expected);
        assert_eq!(outcome.took, takes);
    }
}

/// Returns the transaction token that a service forwards which admits the clerk.
async fn forwarded_by(tokens: TransactionTokens) -> http::HeaderValue {
    use civic_auth::{CorrelationIdLayer, InternalHeadersLayer};
    use tower::ServiceBuilder;

    let login = key(Algorithm::EdDsa, "login");
    let guard = AuthLayer::new(verifier(SharedKeySet::new(public(&login))));
    let client = ServiceBuilder::new()
        .layer(InternalHeadersLayer::new(minter(login.clone())))
        .service_fn(|request: Request<Empty<Bytes>>| {
            ready(Ok::<_, tower::BoxError>(Response::new(
                request.headers().clone(),
            )))
        });
    let service = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(guard.with_transactions(tokens))
        .service_fn(move |_: Request<Empty<Bytes>>| {
            let client = client.clone();
            async move {
                let sent = client.oneshot(Request::new(Empty::new())).await?;
                let mut answer = Response::new(Empty::<Bytes>::new());
                *answer.headers_mut() = sent.into_body();
                Ok::<_, tower::BoxError>(answer)
            }
        });
    let mut request = Request::new(Empty::new());
    let user = minter(login).mint_for(&clerk(), Duration::from_secs(60));
    *request.headers_mut() = bearer(user.as_str());
    let answer = service.oneshot(request).await.expect("an answer");
    answer.headers()["txn-token"].clone()
}

#[test]
fn a_set_that_never_changes_is_never_waited_for() {
    let known = key(Algorithm::EdDsa, "known");
    let verifier = verifier(SharedKeySet::new(public(&known)));
    let error = verifier
        .verify(&bearer(Claims::service().token()))
        .expect_err("HS256");
    assert!(verifier.refresh_keys(error).is_none());
}
