//! Fences that are checked over HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use civic_lock::layer::{Fence, FenceRefusal, Fences};
use civic_lock::{Acquisition, FenceLayer, LockName, LockService, OnUnavailable, Outcome};
use civic_testkit::contract::assert_ready_before_call;
use civic_testkit::redis::RedisServer;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::store::{Fixture, on_each_store};

const TTL: Duration = Duration::from_secs(30);
const X_FENCE: &str = "x-fence";

on_each_store! {
    a_write_of_an_earlier_holder_is_refused_by_every_replica_once_a_later_one_has_written,
    a_fence_that_no_clock_has_reached_is_400_and_locks_no_one_out,
}

/// Accounts only.
fn accounts(_: &Parts, lock: &LockName) -> bool {
    lock.as_str().starts_with("account:")
}

/// Answers the fences that the handler sees.
async fn answer(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    let seen = request.extensions().get::<Fences>().map(|fences| {
        let all: Vec<String> = fences
            .iter()
            .map(|(lock, fence)| format!("{lock} {fence}"))
            .collect();
        all.join(",")
    });
    Ok(Response::new(Full::from(
        seen.unwrap_or_else(|| "none".to_owned()),
    )))
}

fn put(fences: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Request<()> {
    let mut request = Request::put("/accounts").body(()).expect("a request");
    for (name, value) in fences {
        request.headers_mut().append(name, value);
    }
    request
}

fn field(value: &str) -> [(HeaderName, HeaderValue); 1] {
    let value = value.parse().expect("a value");
    [(HeaderName::from_static(X_FENCE), value)]
}

/// Holds the lock once, and returns its header and its fence.
async fn held(locks: &LockService, name: &str) -> ((HeaderName, HeaderValue), u64) {
    match locks.try_acquire(name, TTL).await {
        Acquisition::Acquired(guard) => {
            let held = (guard.lease().fence_header(), guard.lease().fence());
            guard.release().await;
            held
        }
        other => panic!("{other:?}"),
    }
}

/// Status, body, and why it was refused.
async fn ask(
    layer: &FenceLayer,
    request: Request<()>,
) -> (StatusCode, String, Option<FenceRefusal>) {
    let service = layer.layer(service_fn(answer));
    let response = service.oneshot(request).await.expect("an answer");
    let (head, body) = response.into_parts();
    let refusal = head.extensions.get::<FenceRefusal>().cloned();
    assert_eq!(
        head.headers.contains_key(header::RETRY_AFTER),
        head.status == StatusCode::SERVICE_UNAVAILABLE,
        "only what was not taken may be repeated"
    );
    let body = body.collect().await.expect("a body").to_bytes();
    let text = String::from_utf8(body.to_vec()).expect("text");
    (head.status, text, refusal)
}

async fn a_write_of_an_earlier_holder_is_refused_by_every_replica_once_a_later_one_has_written(
    store: Fixture,
) {
    let locks = store.replica();
    let (first, older) = held(&locks, "account:R 1").await;
    let (second, newer) = held(&locks, "account:R 1").await;
    let (other, _) = held(&locks, "account:R 2").await;
    let replicas: Vec<FenceLayer> = (0..3)
        .map(|_| FenceLayer::new(&store.replica(), accounts))
        .collect();
    assert_eq!(second.1, format!("account:R%201={newer}"));

    // The later holder has written nothing yet.
    let (status, body, _) = ask(&replicas[0], put([first.clone()])).await;
    assert_eq!(
        (status, body),
        (StatusCode::OK, format!("account:R 1 {older}"))
    );
    let (status, ..) = ask(&replicas[1], put([second.clone(), other.clone()])).await;
    assert_eq!(status, StatusCode::OK);
    for replica in &replicas {
        for late in [vec![first.clone()], vec![other.clone(), first.clone()]] {
            let (status, body, refusal) = ask(replica, put(late)).await;
            assert_eq!(status, StatusCode::CONFLICT);
            let Some(FenceRefusal::Stale {
                name,
                fence,
                largest,
            }) = refusal
            else {
                panic!("{refusal:?}")
            };
            assert_eq!(
                (name.as_str(), fence, largest),
                ("account:R 1", older, newer)
            );
            let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            assert_eq!(
                (&body["statusCode"], &body["error"]),
                (&409.into(), &"fence_stale".into())
            );
        }
        // The holder that has written may write again.
        let (status, ..) = ask(replica, put([second.clone()])).await;
        assert_eq!(status, StatusCode::OK);
    }
}

async fn a_fence_that_no_clock_has_reached_is_400_and_locks_no_one_out(store: Fixture) {
    let locks = store.replica();
    let layer = FenceLayer::new(&locks, accounts);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("now")
        .as_micros() as u64;
    let day = 24 * 60 * 60 * 1_000_000;
    for far in [9_000_000_000_000_000_000, u64::MAX, now + day + day / 24] {
        let (status, _, refusal) = ask(&layer, put(field(&format!("account:R-1={far}")))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{far}");
        assert!(matches!(refusal, Some(FenceRefusal::AheadOfClock { fence, .. }) if fence == far));
    }
    let (own, _) = held(&locks, "account:R-1").await;
    assert_eq!(ask(&layer, put([own])).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_inner_service_is_called_only_when_it_is_ready() {
    let layer = FenceLayer::single_replica(accounts);
    assert_ready_before_call(layer.clone(), put([])).await;
    assert_ready_before_call(layer, put(field("account:R-1=1"))).await;
}

#[tokio::test]
async fn a_request_without_a_fence_is_let_in_unless_that_of_a_lock_is_required() {
    let layer = FenceLayer::single_replica(accounts);
    let (status, body, _) = ask(&layer, put([])).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "none"));
    let required = layer
        .clone()
        .require_fence(|_| LockName::new("account:R-1").ok());
    let no_lock = layer.require_fence(|_| None);
    // The fence of a lock that the route knows is not that of the one that the request needs.
    for (layer, fences, is_let_in) in [
        (&required, None, false),
        (&required, Some("account:R-2=1"), false),
        (&required, Some("account:R-1=1"), true),
        (&required, Some("account:R-2=1,account:R-1=1"), true),
        (&no_lock, None, false),
        (&no_lock, Some("account:R-1=1"), false),
    ] {
        let request = put(fences.into_iter().flat_map(field));
        let (status, _, refusal) = ask(layer, request).await;
        if is_let_in {
            assert_eq!(status, StatusCode::OK, "{fences:?}");
        } else {
            assert_eq!(status, StatusCode::BAD_REQUEST, "{fences:?}");
            assert!(matches!(refusal, Some(FenceRefusal::Missing)), "{fences:?}");
        }
    }
}

#[tokio::test]
async fn a_malformed_fence_is_400_and_says_what_is_wrong() {
    let layer = FenceLayer::single_replica(accounts);
    let mut request = put(field("account:R-1"));
    request
        .headers_mut()
        .insert("x-correlation-id", HeaderValue::from_static("abc-1"));
    let (status, body, refusal) = ask(&layer, request).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["error"], "fence_malformed");
    assert_eq!(body["correlationId"], "abc-1");
    let message = body["message"].as_str().expect("words");
    assert!(
        message.starts_with("X-Fence must be <percent-encoded name"),
        "{message}"
    );
    assert!(matches!(refusal, Some(FenceRefusal::Malformed { .. })));
}

#[tokio::test]
async fn the_callee_chooses_which_locks_are_remembered() {
    let mut server = RedisServer::start().await;
    let locks = LockService::redis(server.url()).expect("a service");
    let layer = FenceLayer::new(&locks, accounts);
    // The store is not even asked.
    server.kill();
    for stranger in ["made-up=1", "account:R-1=1,made-up=1"] {
        let (status, body, refusal) = ask(&layer, put(field(stranger))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(!body.contains("made-up"), "{body}");
        let Some(FenceRefusal::UnknownLock { name }) = refusal else {
            panic!("{refusal:?}")
        };
        assert_eq!(name.as_str(), "made-up");
    }
}

#[tokio::test]
async fn without_a_store_nothing_is_served_and_503_says_that_the_request_was_not_taken() {
    let mut server = RedisServer::start().await;
    let locks = LockService::builder()
        .redis_url(server.url())
        .command_timeout(Duration::from_millis(300))
        .build()
        .expect("a service");
    server.kill();
    let served = Arc::new(AtomicUsize::new(0));
    let count = served.clone();
    let service = Fence::new(
        service_fn(move |request| {
            count.fetch_add(1, Ordering::SeqCst);
            answer(request)
        }),
        &locks,
        accounts,
    );
    let request = put(field("account:R-1=1"));
    let response = service.clone().oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    assert!(matches!(
        response.extensions().get(),
        Some(FenceRefusal::Unavailable(_))
    ));
    assert_eq!(served.load(Ordering::SeqCst), 0);
    // What needs no store is served all the same.
    let response = service.oneshot(put([])).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn work_without_a_lock_does_not_get_past_a_resource_that_is_fenced() {
    let mut server = RedisServer::start().await;
    let locks = LockService::builder()
        .redis_url(server.url())
        .command_timeout(Duration::from_millis(300))
        .on_unavailable(OnUnavailable::FailOpen)
        .build()
        .expect("a service");
    server.kill();
    let layer = FenceLayer::single_replica(accounts);
    let work = locks.with_lock("account:R-1", TTL, async |lease| {
        ask(&layer, put([lease.fence_header()])).await
    });
    let Outcome::Ran {
        value: (status, _, refusal),
        ..
    } = work.await
    else {
        panic!("the service fails open")
    };
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(matches!(refusal, Some(FenceRefusal::Unprotected { .. })));
}

#[tokio::test]
async fn a_single_replica_remembers_fences_in_its_memory_and_by_its_clock() {
    let hour = 60 * 60 * 1_000_000;
    let layer =
        FenceLayer::single_replica(accounts).with_clock(|| UNIX_EPOCH + Duration::from_secs(3600));
    let status = async |fence: u64| {
        ask(&layer, put(field(&format!("account:R-1={fence}"))))
            .await
            .0
    };
    assert_eq!(status(25 * hour + 1).await, StatusCode::BAD_REQUEST);
    assert_eq!(status(7).await, StatusCode::OK);
    assert_eq!(status(6).await, StatusCode::CONFLICT);
    assert_eq!(status(25 * hour).await, StatusCode::OK);
    assert_eq!(status(7).await, StatusCode::CONFLICT);
    let (status, ..) = ask(&layer, put(field("account:R-2=6"))).await;
    assert_eq!(status, StatusCode::OK, "another lock");
}
