//! The layer's promises, on the host store: they do not depend on where the locks live.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use civic_envelope::CorrelationId;
use civic_lock::layer::{Lock, LockRefusal};
use civic_lock::{
    Acquisition, ErrorKind, Lease, LockLayer, LockService, LostReason, OnUnavailable,
};
use civic_testkit::contract::assert_ready_before_call;
use civic_testkit::redis::RedisServer;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::sync::{Notify, mpsc, oneshot};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::store::locks_at;

const TTL: Duration = Duration::from_secs(5);
/// Nothing that is waited for takes this long.
const TIMEOUT: Duration = Duration::from_secs(60);

struct Host {
    locks: LockService,
    _folder: tempfile::TempDir,
}

fn host() -> Host {
    let folder = tempfile::tempdir().expect("a folder");
    let locks = LockService::builder()
        .host_folder(folder.path().join("locks"))
        // The disk may be busy.
        .command_timeout(Duration::from_secs(20))
        .build()
        .expect("a service");
    Host {
        locks,
        _folder: folder,
    }
}

fn by_path(head: &Parts) -> Option<String> {
    Some(head.uri.path().to_owned()).filter(|path| path != "/open")
}

fn layer(locks: &LockService) -> LockLayer {
    LockLayer::new(locks, TTL, by_path).expect("a valid ttl")
}

fn request(path: &str) -> Request<()> {
    Request::get(path).body(()).expect("a request")
}

async fn answer(_: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("answer")))
}

async fn is_free(locks: &LockService, name: &str) -> bool {
    match locks.try_acquire(name, TTL).await {
        Acquisition::Acquired(guard) => {
            guard.release().await;
            true
        }
        Acquisition::Busy { .. } => false,
        Acquisition::Unavailable(error) | Acquisition::Invalid(error) => panic!("{error}"),
    }
}

/// The release is sent in the background. It is awaited here as any caller would wait for a lock.
async fn becomes_free(locks: &LockService, name: &str) {
    match locks.acquire(name, TTL, Duration::from_secs(60)).await {
        Acquisition::Acquired(guard) => drop(guard.release().await),
        other => panic!("{name} was not released: {other:?}"),
    }
}

async fn error_of<B: Body<Data = Bytes>>(
    response: Response<B>,
) -> (StatusCode, HeaderMap, serde_json::Value)
where
    B::Error: std::fmt::Debug,
{
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    (
        head.status,
        head.headers,
        serde_json::from_slice(&body).expect("JSON"),
    )
}

#[tokio::test]
async fn the_inner_service_is_called_only_when_it_is_ready() {
    let host = host();
    let next = AtomicUsize::new(0);
    let layer = LockLayer::new(&host.locks, TTL, move |_| {
        Some(next.fetch_add(1, Ordering::Relaxed).to_string())
    })
    .expect("a valid ttl");
    assert_ready_before_call(layer, request("/")).await;
    let unlocked = LockLayer::new(&host.locks, TTL, |_| None).expect("a valid ttl");
    assert_ready_before_call(unlocked, request("/")).await;
}

#[tokio::test]
async fn one_request_per_key_is_served_and_the_rest_are_turned_away_with_409_and_retry_after() {
    let host = host();
    let served = Arc::new(AtomicUsize::new(0));
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let service = layer(&host.locks)
        .with_retry_after(Duration::from_millis(2500))
        .layer(service_fn({
            let (served, entered, go) = (served.clone(), entered.clone(), go.clone());
            move |request: Request<()>| {
                let (served, entered, go) = (served.clone(), entered.clone(), go.clone());
                async move {
                    served.fetch_add(1, Ordering::SeqCst);
                    if request.uri().path() == "/slow" {
                        entered.notify_one();
                        go.notified().await;
                    }
                    answer(request).await
                }
            }
        }));
    let first = tokio::spawn(service.clone().oneshot(request("/slow")));
    entered.notified().await;

    let mut second = request("/slow");
    second
        .headers_mut()
        .insert("x-correlation-id", "abc-1".parse().expect("a value"));
    let (status, headers, body) =
        error_of(service.clone().oneshot(second).await.expect("an answer")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(headers[header::RETRY_AFTER], "3", "rounded up");
    assert!(
        headers[header::CONTENT_TYPE]
            .to_str()
            .expect("text")
            .starts_with("application/json")
    );
    assert_eq!(body["statusCode"], 409);
    assert_eq!(body["correlationId"], "abc-1");

    // Another key, and no key at all.
    for path in ["/other", "/open"] {
        let response = service
            .clone()
            .oneshot(request(path))
            .await
            .expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(served.load(Ordering::SeqCst), 3);
    go.notify_one();
    assert_eq!(
        first.await.expect("no panic").expect("an answer").status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_hundred_requests_at_once_are_served_one_at_a_time() {
    let host = host();
    let (inside, served) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let service = layer(&host.locks).layer(service_fn({
        let (inside, served) = (inside.clone(), served.clone());
        move |request| {
            let (inside, served) = (inside.clone(), served.clone());
            async move {
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at a time");
                served.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                answer(request).await
            }
        }
    }));
    let all: Vec<_> = (0..100)
        .map(|_| tokio::spawn(service.clone().oneshot(request("/x"))))
        .collect();
    let mut ok = 0;
    for one in all {
        let response = one.await.expect("no panic").expect("an answer");
        match response.status() {
            StatusCode::OK => ok += 1,
            status => assert_eq!(status, StatusCode::CONFLICT),
        }
    }
    assert!(ok >= 1);
    assert_eq!(served.load(Ordering::SeqCst), ok);
}

#[tokio::test]
async fn the_lock_is_released_when_the_response_body_has_ended_and_not_before() {
    let host = host();
    let service = layer(&host.locks).layer(service_fn(answer));
    let response = service.oneshot(request("/x")).await.expect("an answer");
    assert!(
        !is_free(&host.locks, "/x").await,
        "the body is still to be sent"
    );
    let mut body = response.into_body();
    let frame = body.frame().await.expect("a frame").expect("no error");
    assert_eq!(frame.into_data().expect("data"), "answer");
    assert!(
        !is_free(&host.locks, "/x").await,
        "the end was not seen yet"
    );
    assert!(body.frame().await.is_none());
    becomes_free(&host.locks, "/x").await;
}

#[tokio::test]
async fn the_lock_is_released_when_the_response_body_is_dropped() {
    let host = host();
    let response = layer(&host.locks)
        .layer(service_fn(answer))
        .oneshot(request("/x"))
        .await
        .expect("an answer");
    drop(response);
    becomes_free(&host.locks, "/x").await;
}

#[tokio::test]
async fn the_lock_is_released_when_the_caller_goes_away_or_the_handler_fails_or_panics() {
    let host = host();
    let (entered, is_in) = oneshot::channel();
    let entered = Arc::new(std::sync::Mutex::new(Some(entered)));
    let hangs = layer(&host.locks).layer(service_fn(move |_: Request<()>| {
        let entered = entered.lock().expect("no panic").take();
        async move {
            if let Some(entered) = entered {
                entered.send(()).expect("awaited");
            }
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
        }
    }));
    let hanging = tokio::spawn(hangs.oneshot(request("/x")));
    is_in.await.expect("the handler");
    assert!(!is_free(&host.locks, "/x").await);
    hanging.abort();
    becomes_free(&host.locks, "/x").await;

    let fails = layer(&host.locks).layer(service_fn(|_: Request<()>| async {
        Err::<Response<Full<Bytes>>, _>("no")
    }));
    assert_eq!(
        fails
            .oneshot(request("/x"))
            .await
            .expect_err("the inner error"),
        "no"
    );
    becomes_free(&host.locks, "/x").await;

    let panics = layer(&host.locks).layer(service_fn(|request: Request<()>| async move {
        assert_eq!(request.uri().path(), "/", "a bug");
        answer(request).await
    }));
    assert!(
        tokio::spawn(panics.oneshot(request("/x")))
            .await
            .expect_err("a panic")
            .is_panic()
    );
    becomes_free(&host.locks, "/x").await;
}

#[tokio::test]
async fn the_handler_sees_its_lease() {
    let host = host();
    let service = layer(&host.locks).layer(service_fn(|request: Request<()>| async move {
        let lease = request.extensions().get::<Lease>().expect("a lease");
        assert!(lease.check().is_ok());
        Ok::<_, Infallible>(Response::new(Full::from(format!(
            "{} {}",
            lease.name(),
            lease.fence()
        ))))
    }));
    let response = service.oneshot(request("/x")).await.expect("an answer");
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let text = String::from_utf8(body.into()).expect("text");
    let (name, fence) = text.split_once(' ').expect("two words");
    assert_eq!(name, "/x");
    assert!(fence.parse::<u64>().expect("a number") > 0);
}

#[tokio::test]
async fn any_key_becomes_a_name_and_different_keys_stay_different() {
    let host = host();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let names = seen.clone();
    let layer = LockLayer::new(&host.locks, TTL, |head| {
        Some(head.headers["key"].to_str().expect("text").to_owned())
    })
    .expect("a valid ttl");
    let service = layer.layer(service_fn(move |request: Request<()>| {
        names.lock().expect("no panic").push(
            request
                .extensions()
                .get::<Lease>()
                .expect("a lease")
                .name()
                .to_string(),
        );
        answer(request)
    }));
    for (key, name) in [
        ("a{b}", "a%7Bb%7D"),
        ("a%7Bb%7D", "a%257Bb%257D"),
        ("a\tb", "a%09b"),
        ("plain:key", "plain:key"),
    ] {
        let request = Request::get("/")
            .header("key", key)
            .body(())
            .expect("a request");
        let response = service.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{key}");
        assert_eq!(
            seen.lock().expect("no panic").last().map(String::as_str),
            Some(name)
        );
    }
    for key in [String::new(), "x".repeat(513)] {
        let request = Request::get("/")
            .header("key", &key)
            .body(())
            .expect("a request");
        let response = service.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert!(!response.headers().contains_key(header::RETRY_AFTER));
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
    let service = layer(&locks).layer(service_fn(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        answer(request)
    }));
    let (status, headers, body) = error_of(
        service
            .clone()
            .oneshot(request("/x"))
            .await
            .expect("an answer"),
    )
    .await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers[header::RETRY_AFTER], "1");
    assert_eq!(body["correlationId"], "unknown");
    assert_eq!(served.load(Ordering::SeqCst), 0);
    // What needs no lock is served all the same.
    assert_eq!(
        service
            .oneshot(request("/open"))
            .await
            .expect("an answer")
            .status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_service_that_fails_open_lets_requests_in_and_marks_the_lease() {
    let mut server = RedisServer::start().await;
    let locks = LockService::builder()
        .redis_url(server.url())
        .command_timeout(Duration::from_millis(300))
        .on_unavailable(OnUnavailable::FailOpen)
        .build()
        .expect("a service");
    server.kill();
    let service = layer(&locks).layer(service_fn(|request: Request<()>| async move {
        let lease = request.extensions().get::<Lease>().expect("a lease");
        assert!(!lease.is_protected());
        answer(request).await
    }));
    let response = service.oneshot(request("/x")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    assert_eq!(body, "answer");
}

#[tokio::test]
async fn a_request_whose_lease_is_lost_is_dropped_and_answered_503_without_retry_after() {
    struct Dropped(Option<oneshot::Sender<()>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.take().map(|sender| sender.send(()));
        }
    }

    let server = RedisServer::start().await;
    let locks = locks_at(server.url());
    let (dropped, was_dropped) = oneshot::channel();
    let dropped = Arc::new(std::sync::Mutex::new(Some(dropped)));
    let (entered, mut is_in) = mpsc::channel(1);
    let service = LockLayer::new(&locks, TTL, by_path)
        .expect("a valid ttl")
        .layer(service_fn(move |_: Request<()>| {
            let flag = Dropped(dropped.lock().expect("no panic").take());
            let entered = entered.clone();
            async move {
                let _flag = flag;
                entered.send(()).await.expect("awaited");
                std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
            }
        }));
    let serving = tokio::spawn(service.oneshot(request("/x")));
    is_in.recv().await.expect("the handler");
    server.command(&["DEL", "lock:/x"]).await;
    let served = tokio::time::timeout(TIMEOUT, serving)
        .await
        .expect("the caller is told");
    let response = served.expect("no panic").expect("an answer");
    assert!(matches!(
        response.extensions().get(),
        Some(LockRefusal::Lost(LostReason::NotOwner))
    ));
    let (status, headers, _) = error_of(response).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        !headers.contains_key(header::RETRY_AFTER),
        "part of the work may have been done"
    );
    was_dropped.await.expect("the handler was dropped");
}

/// A body that sends one piece and then nothing more.
struct Stalls(Option<&'static str>);

impl Body for Stalls {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece.into())))),
            None => Poll::Pending,
        }
    }
}

#[tokio::test]
async fn a_body_whose_lease_is_lost_ends_with_an_error() {
    let server = RedisServer::start().await;
    let locks = locks_at(server.url());
    let mut service = LockLayer::new(&locks, TTL, by_path)
        .expect("a valid ttl")
        .layer(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Stalls(Some("half"))))
        }));
    let response = service
        .ready()
        .await
        .expect("ready")
        .call(request("/x"))
        .await
        .expect("an answer");
    let mut body = response.into_body();
    assert!(body.frame().await.expect("a frame").is_ok());
    server.command(&["DEL", "lock:/x"]).await;
    let error = tokio::time::timeout(TIMEOUT, body.frame())
        .await
        .expect("the body is told")
        .expect("not the end")
        .expect_err("a truncated body must not look whole");
    assert!(
        error.downcast_ref::<civic_lock::LeaseLost>().is_some(),
        "{error}"
    );
}

#[test]
fn a_ttl_that_no_lease_can_have_is_refused_at_construction() {
    let host = host();
    assert!(LockLayer::new(&host.locks, Duration::from_millis(1), by_path).is_err());
}

#[tokio::test]
async fn the_reason_of_a_refusal_is_among_the_extensions_of_its_response() {
    let host = host();
    let service = layer(&host.locks).layer(service_fn(answer));
    let held = host.locks.try_acquire("/x", TTL).await;
    let Acquisition::Acquired(guard) = held else {
        panic!("{held:?}")
    };
    let busy = service.clone().oneshot(request("/x")).await;
    let busy = busy.expect("an answer");
    match busy.extensions().get() {
        Some(LockRefusal::Busy { holder, ttl }) => {
            assert_eq!(holder, guard.lease().holder());
            assert!(ttl.is_some_and(|ttl| ttl <= TTL));
        }
        other => panic!("{other:?}"),
    }
    let long = request(&format!("/{}", "x".repeat(513)));
    let invalid = service.oneshot(long).await.expect("an answer");
    match invalid.extensions().get() {
        Some(LockRefusal::InvalidKey(error)) => assert_eq!(error.kind(), ErrorKind::Name),
        other => panic!("{other:?}"),
    }

    let away = LockService::builder()
        .redis_url("redis://127.0.0.1:1")
        .command_timeout(Duration::from_secs(20))
        .build()
        .expect("a service");
    let service = layer(&away).layer(service_fn(answer));
    let unavailable = service.oneshot(request("/x")).await.expect("an answer");
    match unavailable.extensions().get() {
        Some(LockRefusal::Unavailable(error)) => assert_eq!(error.kind(), ErrorKind::Connection),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_correlation_id_comes_from_the_extensions_then_from_the_header_or_from_a_function() {
    let host = host();
    let held = host.locks.try_acquire("/x", TTL).await;
    assert!(matches!(held, Acquisition::Acquired(_)), "{held:?}");
    let id = |text: &str| CorrelationId::parse(text).expect("an id");
    let own = layer(&host.locks).with_correlation_id(move |_| Some(id("from-a-function")));
    for (name, layer, extension, header, expected) in [
        (
            "extension",
            layer(&host.locks),
            Some("ext"),
            "header",
            "ext",
        ),
        ("header", layer(&host.locks), None, "uuid#7", "uuid#7"),
        ("invalid", layer(&host.locks), None, "two words", "unknown"),
        ("function", own, Some("ext"), "header", "from-a-function"),
    ] {
        let mut request = request("/x");
        let value = header.parse().expect("a value");
        request.headers_mut().insert("x-correlation-id", value);
        if let Some(extension) = extension {
            request.extensions_mut().insert(id(extension));
        }
        let response = layer.layer(service_fn(answer)).oneshot(request).await;
        let (status, _, body) = error_of(response.expect("an answer")).await;
        assert_eq!(status, StatusCode::CONFLICT, "{name}");
        assert_eq!(body["correlationId"], expected, "{name}");
    }
}

#[tokio::test]
async fn the_service_can_be_made_without_the_layer_and_gives_its_inner_service_back() {
    let host = host();
    let mut service = Lock::new("inner", &host.locks, TTL, by_path).expect("a valid ttl");
    assert_eq!(service.get_ref(), &"inner");
    *service.get_mut() = "other";
    assert_eq!(service.into_inner(), "other");
    assert!(Lock::new((), &host.locks, Duration::from_millis(1), by_path).is_err());

    let service = Lock::new(service_fn(answer), &host.locks, TTL, by_path).expect("a valid ttl");
    let response = service.oneshot(request("/x")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
}
