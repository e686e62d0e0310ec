//! One effect per `Idempotency-Key`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody};
use civic_lock::layer::{
    Execution, FenceLayer, Idempotency, IdempotencyRequestBody, IdempotencyVerdict, LockLayer,
    NothingDone, Scope,
};
use civic_lock::{Acquisition, IdempotencyLayer, LockName, LockService};
use civic_testkit::contract::assert_ready_before_call;
use civic_testkit::log::Capture;
use civic_testkit::redis::RedisServer;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use tokio::sync::{Notify, oneshot};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::store::{Fixture, locks_at, on_each_store};

const KEY: &str = "idempotency-key";

on_each_store! {
    the_first_request_is_executed_and_the_others_get_its_answer,
    a_hundred_requests_with_one_key_have_one_effect,
    while_the_first_request_runs_the_others_are_asked_to_come_back,
    an_execution_does_not_end_when_its_caller_goes_away,
    no_answer_crosses_over_to_another_caller_or_tenant_or_route,
    the_same_key_with_another_request_is_422,
    an_execution_that_takes_too_long_is_dropped_and_its_key_is_in_doubt,
    an_execution_that_was_dropped_is_in_doubt_and_never_runs_again,
    a_request_that_has_done_nothing_is_executed_again,
    an_answer_whose_headers_alone_say_that_nothing_was_done_is_stored,
    a_refusal_of_a_lock_or_a_fence_inside_leaves_the_key_unused,
    an_error_is_stored_like_any_answer,
    an_answer_of_64_kib_is_kept_and_a_longer_one_reaches_its_first_caller_only,
}

/// What a test sees of an answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    verdict: Option<IdempotencyVerdict>,
}

/// A body in pieces, whose length is not known before.
struct Pieces(VecDeque<Result<Bytes, &'static str>>);

/// Counts executions and answers them.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

// ===== impl Pieces =====

impl Pieces {
    fn new(length: usize, pieces: usize) -> Self {
        let all = vec![b'x'; length];
        let pieces = all.chunks(length.div_ceil(pieces));
        Self(
            pieces
                .map(|piece| Ok(Bytes::copy_from_slice(piece)))
                .collect(),
        )
    }

    /// It ends with an error.
    fn broken(mut self) -> Self {
        self.0.push_back(Err("the connection broke"));
        self
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop_front().map(|piece| piece.map(Frame::data)))
    }
}

// ===== impl Counter =====

impl Counter {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

// ===== impl Answer =====

impl Answer {
    fn error(&self) -> serde_json::Value {
        let body: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(body["statusCode"], self.status.as_u16());
        body["error"].clone()
    }

    fn is_replayed(&self) -> bool {
        let header = self.headers.get("idempotency-replayed");
        let replayed = matches!(self.verdict, Some(IdempotencyVerdict::Replayed));
        assert_eq!(
            header.map(HeaderValue::as_bytes),
            replayed.then_some(&b"true"[..])
        );
        replayed
    }

    fn may_be_repeated(&self) -> bool {
        self.headers.contains_key(header::RETRY_AFTER)
    }
}

/// Caller and tenant are headers here, and the path is the template.
fn scope(head: &Parts) -> Option<Scope> {
    let text = |name: &str| {
        head.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    };
    Some(Scope::new(
        text("caller")?,
        text("tenant"),
        &head.method,
        head.uri.path(),
    ))
}

fn layer(locks: &LockService) -> IdempotencyLayer {
    IdempotencyLayer::new(locks, scope, |execution| {
        tokio::spawn(execution);
    })
}

fn post(key: &str, body: &'static str) -> Request<Full<Bytes>> {
    Request::post("/bills")
        .header(KEY, key)
        .header("caller", "u-1")
        .body(Full::from(body))
        .expect("a request")
}

async fn ask<S, B, ResB>(layer: &IdempotencyLayer, inner: S, request: Request<B>) -> Answer
where
    Idempotency<S>: Service<Request<B>, Response = Response<ResB>, Error = Infallible>,
    ResB: Body<Data = Bytes>,
    ResB::Error: fmt::Debug,
{
    let Ok(response) = layer.layer(inner).oneshot(request).await;
    read(response).await
}

async fn read<B>(response: Response<B>) -> Answer
where
    B: Body<Data = Bytes>,
    B::Error: fmt::Debug,
{
    let (head, body) = response.into_parts();
    Answer {
        status: head.status,
        verdict: head.extensions.get().cloned(),
        headers: head.headers,
        body: body.collect().await.expect("a whole body").to_bytes(),
    }
}

/// A handler that counts, and answers a bill with the number and what it was asked.
fn bills(
    counter: &Counter,
) -> impl Service<
    Request<IdempotencyRequestBody<Full<Bytes>>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let counter = counter.clone();
    service_fn(
        move |request: Request<IdempotencyRequestBody<Full<Bytes>>>| {
            let counter = counter.clone();
            async move {
                let number = counter.next();
                let asked = request
                    .into_body()
                    .collect()
                    .await
                    .expect("a body")
                    .to_bytes();
                let asked = String::from_utf8_lossy(&asked).into_owned();
                let response = Response::builder()
                    .status(StatusCode::CREATED)
                    .header(header::CONTENT_TYPE, "text/plain")
                    .header(header::LOCATION, format!("/bills/{number}"))
                    .header(header::ETAG, "\"v1\"")
                    .header(header::SET_COOKIE, "session=secret")
                    .header("x-correlation-id", "first-1")
                    .body(Full::from(format!("bill {number} of {asked}")));
                Ok(response.expect("a response"))
            }
        },
    )
}

async fn the_first_request_is_executed_and_the_others_get_its_answer(store: Fixture) {
    let counter = Counter::default();
    let first = ask(
        &layer(&store.replica()),
        bills(&counter),
        post("\"k-1\"", "p-7"),
    )
    .await;
    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(first.body, "bill 1 of p-7");
    assert!(!first.is_replayed());
    assert!(matches!(first.verdict, Some(IdempotencyVerdict::Executed)));
    assert!(
        first.headers.contains_key(header::SET_COOKIE),
        "the first caller gets everything"
    );

    // Another replica, and the key without its quotes.
    for key in ["k-1", "\"k-1\"", " k-1 "] {
        let again = ask(&layer(&store.replica()), bills(&counter), post(key, "p-7")).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert!(again.is_replayed());
        for name in [header::CONTENT_TYPE, header::LOCATION, header::ETAG] {
            assert_eq!(again.headers[&name], first.headers[&name]);
        }
        assert!(!again.headers.contains_key(header::SET_COOKIE));
        assert!(!again.headers.contains_key("x-correlation-id"));
    }
    let other = ask(
        &layer(&store.replica()),
        bills(&counter),
        post("k-2", "p-7"),
    )
    .await;
    assert_eq!(other.body, "bill 2 of p-7");
    assert_eq!(counter.count(), 2);
}

async fn a_hundred_requests_with_one_key_have_one_effect(store: Fixture) {
    let counter = Counter::default();
    let replicas = [store.replica(), store.replica()];
    let asked: Vec<_> = (0..100)
        .map(|n| {
            let (layer, inner) = (layer(&replicas[n % 2]), bills(&counter));
            tokio::spawn(async move {
                loop {
                    let answer = ask(&layer, inner.clone(), post("k", "p")).await;
                    if answer.status != StatusCode::CONFLICT {
                        return answer;
                    }
                    assert!(answer.may_be_repeated(), "{}", answer.error());
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let mut replayed = 0;
    for one in asked {
        let answer = one.await.expect("no panic");
        assert_eq!(
            (answer.status, &*answer.body),
            (StatusCode::CREATED, &b"bill 1 of p"[..])
        );
        replayed += usize::from(answer.is_replayed());
    }
    assert_eq!((counter.count(), replayed), (1, 99));
}

/// Entered, and let go.
#[derive(Clone, Default)]
struct Gate {
    entered: Arc<Notify>,
    go: Arc<Notify>,
}

/// A handler that waits at a gate, and counts what has passed it.
fn gated(
    gate: &Gate,
    counter: &Counter,
) -> impl Service<
    Request<IdempotencyRequestBody<Full<Bytes>>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let (gate, counter) = (gate.clone(), counter.clone());
    service_fn(move |_| {
        let (gate, counter) = (gate.clone(), counter.clone());
        async move {
            gate.entered.notify_one();
            gate.go.notified().await;
            let number = counter.next();
            Ok(Response::new(Full::from(format!("bill {number}"))))
        }
    })
}

async fn while_the_first_request_runs_the_others_are_asked_to_come_back(store: Fixture) {
    let (gate, counter) = (Gate::default(), Counter::default());
    let locks = store.replica();
    let layer = layer(&locks).with_retry_after(Duration::from_millis(2500));
    let first = tokio::spawn({
        let (layer, inner) = (layer.clone(), gated(&gate, &counter));
        async move { ask(&layer, inner, post("k", "p")).await }
    });
    gate.entered.notified().await;
    let second = ask(&layer, gated(&gate, &counter), post("k", "p")).await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    assert_eq!(second.headers[header::RETRY_AFTER], "3", "rounded up");
    assert_eq!(second.error(), "idempotency_running");
    assert!(matches!(second.verdict, Some(IdempotencyVerdict::Running)));
    gate.go.notify_one();
    let first = first.await.expect("no panic");
    let third = ask(&layer, gated(&gate, &counter), post("k", "p")).await;
    assert_eq!(
        (&*first.body, &*third.body),
        (&b"bill 1"[..], &b"bill 1"[..])
    );
    assert!(third.is_replayed());
}

async fn an_execution_does_not_end_when_its_caller_goes_away(store: Fixture) {
    let (gate, counter) = (Gate::default(), Counter::default());
    let layer = layer(&store.replica());
    let first = tokio::spawn({
        let (layer, inner) = (layer.clone(), gated(&gate, &counter));
        async move { ask(&layer, inner, post("k", "p")).await }
    });
    gate.entered.notified().await;
    first.abort();
    assert!(first.await.is_err_and(|error| error.is_cancelled()));
    gate.go.notify_one();
    let answer = until_decided(&layer, &counter).await;
    assert_eq!(answer.body, "bill 1");
    assert!(answer.is_replayed());
    assert_eq!(counter.count(), 1);
}

/// Asks until the first execution has ended. One that is executed again is counted, and answered as
/// a bill.
async fn until_decided(layer: &IdempotencyLayer, counter: &Counter) -> Answer {
    loop {
        let answer = ask(layer, bills(counter), post("k", "p")).await;
        if !answer.may_be_repeated() {
            return answer;
        }
        tokio::task::yield_now().await;
    }
}

async fn no_answer_crosses_over_to_another_caller_or_tenant_or_route(store: Fixture) {
    let counter = Counter::default();
    let layer = layer(&store.replica());
    let mut bodies = Vec::new();
    for (caller, tenant, method, path) in [
        ("service:a", None, Method::POST, "/bills"),
        ("service:b", None, Method::POST, "/bills"),
        ("service:a", Some("town-1"), Method::POST, "/bills"),
        ("service:a", Some("town-2"), Method::POST, "/bills"),
        ("service:a", Some("town-2"), Method::PUT, "/bills"),
        ("service:a", Some("town-2"), Method::POST, "/fees"),
    ] {
        for _ in 0..2 {
            let mut request = post("k", "p");
            let headers = request.headers_mut();
            headers.insert("caller", HeaderValue::from_static(caller));
            if let Some(tenant) = tenant {
                headers.insert("tenant", HeaderValue::from_static(tenant));
            }
            *request.method_mut() = method.clone();
            *request.uri_mut() = path.parse().expect("a path");
            bodies.push(ask(&layer, bills(&counter), request).await.body);
        }
    }
    // Each its own, twice.
    let expected: Vec<String> = (1..=6)
        .flat_map(|number| [format!("bill {number} of p"), format!("bill {number} of p")])
        .collect();
    assert_eq!(bodies, expected);
}

async fn the_same_key_with_another_request_is_422(store: Fixture) {
    let counter = Counter::default();
    let layer = IdempotencyLayer::new(
        &store.replica(),
        |head| Some(Scope::new("u-1", None, &head.method, "/bills/{id}")),
        |execution| drop(tokio::spawn(execution)),
    );
    let request = |uri: &'static str, content_type: Option<&'static str>, body: &'static str| {
        let mut request = post("k", body);
        *request.uri_mut() = uri.parse().expect("a path");
        if let Some(content_type) = content_type {
            let value = HeaderValue::from_static(content_type);
            request.headers_mut().insert(header::CONTENT_TYPE, value);
        }
        request
    };
    let first = request("/bills/7?draft=1", Some("text/plain"), "p");
    let first = ask(&layer, bills(&counter), first).await;
    assert_eq!(first.status, StatusCode::CREATED);
    for (uri, content_type, body) in [
        ("/bills/7?draft=1", Some("text/plain"), "q"),
        ("/bills/7?draft=1", Some("text/plain"), ""),
        ("/bills/7?draft=1", Some("text/html"), "p"),
        ("/bills/7?draft=1", None, "p"),
        ("/bills/7?draft=2", Some("text/plain"), "p"),
        ("/bills/7", Some("text/plain"), "p"),
        ("/bills/8?draft=1", Some("text/plain"), "p"),
    ] {
        let other = ask(&layer, bills(&counter), request(uri, content_type, body)).await;
        assert_eq!(
            other.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{uri} {content_type:?} {body}"
        );
        assert_eq!(other.error(), "idempotency_key_reused");
        assert!(!other.may_be_repeated());
    }
    let again = request("/bills/7?draft=1", Some("text/plain"), "p");
    let again = ask(&layer, bills(&counter), again).await;
    assert_eq!(again.body, first.body);
    assert_eq!(counter.count(), 1);
}

async fn an_execution_that_takes_too_long_is_dropped_and_its_key_is_in_doubt(store: Fixture) {
    let (gate, counter) = (Gate::default(), Counter::default());
    let layer = layer(&store.replica()).with_timeout(Duration::from_millis(50));
    let first = ask(&layer, gated(&gate, &counter), post("k", "p")).await;
    let second = until_decided(&layer, &counter).await;
    for answer in [first, second] {
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.error(), "idempotency_in_doubt");
        assert!(!answer.may_be_repeated());
        assert!(matches!(answer.verdict, Some(IdempotencyVerdict::InDoubt)));
    }
    assert_eq!(counter.count(), 0);
}

async fn an_execution_that_was_dropped_is_in_doubt_and_never_runs_again(store: Fixture) {
    let counter = Counter::default();
    // As a process that dies between the begin and the work.
    let dropping = IdempotencyLayer::new(&store.replica(), scope, drop);
    let first = ask(&dropping, bills(&counter), post("k", "p")).await;
    assert_eq!(first.error(), "idempotency_in_doubt");
    let second = until_decided(&layer(&store.replica()), &counter).await;
    assert_eq!(second.error(), "idempotency_in_doubt");
    assert_eq!(counter.count(), 0);
}

async fn a_request_that_has_done_nothing_is_executed_again(store: Fixture) {
    let layer = layer(&store.replica());
    let attempts: Arc<Mutex<Vec<u32>>> = Arc::default();
    let inner = service_fn({
        let attempts = Arc::clone(&attempts);
        move |request: Request<IdempotencyRequestBody<Full<Bytes>>>| {
            let execution = request
                .extensions()
                .get::<Execution>()
                .expect("it has a key");
            attempts.lock().expect("no panic").push(execution.attempt());
            let mut response = Response::new(Full::from("done"));
            if execution.attempt() < 3 {
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response.extensions_mut().insert(NothingDone);
            }
            async { Ok::<_, Infallible>(response) }
        }
    });
    for _ in 0..2 {
        let answer = ask(&layer, inner.clone(), post("k", "p")).await;
        assert!(!answer.status.is_success());
        assert!(matches!(
            answer.verdict,
            Some(IdempotencyVerdict::NothingDone)
        ));
        assert!(!answer.is_replayed());
    }
    let done = ask(&layer, inner.clone(), post("k", "p")).await;
    assert!(matches!(done.verdict, Some(IdempotencyVerdict::Executed)));
    assert!(ask(&layer, inner, post("k", "p")).await.is_replayed());
    assert_eq!(*attempts.lock().expect("no panic"), [1, 2, 3]);
}

async fn an_answer_whose_headers_alone_say_that_nothing_was_done_is_stored(store: Fixture) {
    let layer = layer(&store.replica());
    for (key, status) in [
        ("k-1", StatusCode::CONFLICT),
        ("k-2", StatusCode::TOO_MANY_REQUESTS),
        ("k-3", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let counter = Counter::default();
        let inner = service_fn({
            let counter = counter.clone();
            move |_: Request<IdempotencyRequestBody<Full<Bytes>>>| {
                // It writes its row, and passes on what a peer has answered.
                counter.next();
                let mut response = Response::new(Full::<Bytes>::from("of a peer"));
                *response.status_mut() = status;
                let headers = response.headers_mut();
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                async { Ok::<_, Infallible>(response) }
            }
        });
        let first = ask(&layer, inner.clone(), post(key, "p")).await;
        assert!(matches!(first.verdict, Some(IdempotencyVerdict::Executed)));
        let second = ask(&layer, inner, post(key, "p")).await;
        assert!(second.is_replayed());
        assert_eq!(second.status, status);
        assert_eq!(counter.count(), 1, "{status}");
    }
}

async fn a_refusal_of_a_lock_or_a_fence_inside_leaves_the_key_unused(store: Fixture) {
    let locks = store.replica();
    let layer = layer(&locks);
    let counter = Counter::default();
    let handler = service_fn({
        let counter = counter.clone();
        move |_: Request<IdempotencyRequestBody<Full<Bytes>>>| {
            counter.next();
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done"))) }
        }
    });
    let lock = LockLayer::new(&locks, Duration::from_secs(60), |_: &Parts| {
        Some("property:7".to_owned())
    })
    .expect("a valid ttl");
    let fence =
        FenceLayer::new(&locks, |_, _| true).require_fence(|_| LockName::new("property:7").ok());
    let held = locks.try_acquire("property:7", Duration::from_secs(60));
    let Acquisition::Acquired(held) = held.await else {
        panic!("no one else uses it");
    };
    let busy = ask(&layer, lock.clone().layer(handler.clone()), post("k", "p")).await;
    assert_eq!(busy.status, StatusCode::CONFLICT);
    held.release().await;
    let unfenced = ask(&layer, fence.layer(handler.clone()), post("k", "p")).await;
    assert_eq!(unfenced.status, StatusCode::BAD_REQUEST);
    for refused in [busy, unfenced] {
        assert!(matches!(
            refused.verdict,
            Some(IdempotencyVerdict::NothingDone)
        ));
    }
    let done = ask(&layer, lock.layer(handler), post("k", "p")).await;
    assert!(matches!(done.verdict, Some(IdempotencyVerdict::Executed)));
    assert_eq!(counter.count(), 1);
}

async fn an_error_is_stored_like_any_answer(store: Fixture) {
    let counter = Counter::default();
    let layer = layer(&store.replica());
    let inner = service_fn({
        let counter = counter.clone();
        move |request: Request<IdempotencyRequestBody<Full<Bytes>>>| {
            counter.next();
            let id = CorrelationId::from_headers(request.headers());
            let error = ErrorBody::new(StatusCode::SERVICE_UNAVAILABLE, "half of it is done")
                .with_correlation_id(id);
            let mut response: Response<Full<Bytes>> = error.into_response();
            // Made from an outgoing call's error: not one that was not taken.
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
            async { Ok::<_, Infallible>(response) }
        }
    });
    for id in ["first-1", "second-2"] {
        let mut request = post("k", "p");
        let value = HeaderValue::from_static(id);
        request.headers_mut().insert("x-correlation-id", value);
        let answer = ask(&layer, inner.clone(), request).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers["x-should-retry"], "false");
        assert_eq!(answer.is_replayed(), id == "second-2");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(body["correlationId"], id);
        assert_eq!(body["message"], "half of it is done");
    }
    assert_eq!(counter.count(), 1);
}

async fn an_answer_of_64_kib_is_kept_and_a_longer_one_reaches_its_first_caller_only(
    store: Fixture,
) {
    const MOST: usize = 64 * 1024;
    let layer = layer(&store.replica());
    for (key, length, kept) in [
        ("a", MOST, true),
        ("b", MOST + 1, false),
        ("c", 3 * MOST, false),
    ] {
        for pieces in [1, 8] {
            let counter = Counter::default();
            let key = format!("{key}{pieces}");
            let inner = service_fn({
                let counter = counter.clone();
                move |_: Request<IdempotencyRequestBody<Full<Bytes>>>| {
                    counter.next();
                    async move { Ok::<_, Infallible>(Response::new(Pieces::new(length, pieces))) }
                }
            });
            let first = ask(&layer, inner.clone(), post(&key, "p")).await;
            assert_eq!(first.body.len(), length);
            let again = ask(&layer, inner, post(&key, "p")).await;
            if kept {
                assert_eq!(again.body, first.body);
                assert!(again.is_replayed());
            } else {
                assert_eq!(again.status, StatusCode::CONFLICT);
                assert_eq!(again.error(), "idempotency_answer_not_kept");
                assert!(!again.may_be_repeated());
            }
            assert_eq!(counter.count(), 1);
        }
    }
}

#[tokio::test]
async fn the_inner_service_is_called_only_when_it_is_ready() {
    let store = Fixture::host();
    let locks = store.replica();
    let keys = AtomicUsize::new(0);
    // Each request in a scope of its own, so that none is answered by the layer.
    let layer = IdempotencyLayer::new(
        &locks,
        move |head| {
            let caller = keys.fetch_add(1, Ordering::SeqCst).to_string();
            Some(Scope::new(&caller, None, &head.method, "/"))
        },
        |execution| drop(tokio::spawn(execution)),
    );
    assert_ready_before_call(layer.clone(), post("k", "p")).await;
    let mut untouched = post("k", "p");
    untouched.headers_mut().remove(KEY);
    assert_ready_before_call(layer, untouched).await;
}

#[tokio::test]
async fn a_request_without_a_key_or_with_a_safe_method_passes_untouched() {
    let mut server = RedisServer::start().await;
    let locks = LockService::redis(server.url()).expect("a service");
    let counter = Counter::default();
    let layer = layer(&locks);
    // What needs no store is served without one.
    server.kill();
    let mut keyless = post("k", "p");
    keyless.headers_mut().remove(KEY);
    for request in [keyless.clone(), keyless.clone()] {
        let answer = ask(&layer, bills(&counter), request).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        assert!(answer.verdict.is_none());
        assert!(answer.headers.contains_key("x-correlation-id"));
    }
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
        let mut safe = post("k", "p");
        *safe.method_mut() = method;
        let answer = ask(&layer, bills(&counter), safe).await;
        assert_eq!(answer.status, StatusCode::CREATED);
    }
    assert_eq!(counter.count(), 6);

    let strict = layer.require_key();
    let answer = ask(&strict, bills(&counter), keyless.clone()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.error(), "idempotency_key_missing");
    let mut safe = keyless;
    *safe.method_mut() = Method::GET;
    let answer = ask(&strict, bills(&counter), safe).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(counter.count(), 7);
}

#[tokio::test]
async fn a_key_that_cannot_be_read_or_has_no_scope_is_400_and_executes_nothing() {
    let store = Fixture::host();
    let counter = Counter::default();
    let layer = layer(&store.replica());
    let mut two = post("k", "p");
    two.headers_mut().append(KEY, HeaderValue::from_static("k"));
    let mut no_caller = post("k", "p");
    no_caller.headers_mut().remove("caller");
    for (request, code) in [
        (two, "idempotency_key_malformed"),
        (post("", "p"), "idempotency_key_malformed"),
        (post("a, b", "p"), "idempotency_key_malformed"),
        (post("\"a", "p"), "idempotency_key_malformed"),
        (no_caller, "idempotency_no_scope"),
    ] {
        let answer = ask(&layer, bills(&counter), request).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.error(), code);
        assert!(!answer.may_be_repeated());
    }
    assert_eq!(counter.count(), 0);
}

#[tokio::test]
async fn a_request_body_of_1_mib_is_read_and_a_longer_one_is_413() {
    const MOST: usize = 1024 * 1024;
    let store = Fixture::host();
    let layer = layer(&store.replica());
    let length = service_fn(async |request: Request<IdempotencyRequestBody<Pieces>>| {
        let body = request
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(body.len().to_string())))
    });
    let asked =
        async |key: &str, body: Pieces| ask(&layer, length, post(key, "").map(|_| body)).await;
    let whole = asked("a", Pieces::new(MOST, 9)).await;
    assert_eq!(
        (whole.status, &*whole.body),
        (StatusCode::OK, MOST.to_string().as_bytes())
    );
    for pieces in [1, 9] {
        let refused = asked("b", Pieces::new(MOST + 1, pieces)).await;
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(refused.error(), "idempotency_body_too_large");
    }
    let broken = asked("b", Pieces::new(7, 1).broken()).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);
    assert_eq!(broken.error(), "idempotency_body_unreadable");
    // Nothing of it was begun.
    assert_eq!(asked("b", Pieces::new(7, 1)).await.body, "7");
}

#[tokio::test]
async fn without_a_store_nothing_is_executed_and_503_says_that_the_request_was_not_taken() {
    let mut server = RedisServer::start().await;
    let locks = LockService::builder()
        .redis_url(server.url())
        .command_timeout(Duration::from_millis(300))
        .build()
        .expect("a service");
    server.kill();
    let counter = Counter::default();
    let answer = ask(&layer(&locks), bills(&counter), post("k", "p")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    assert!(matches!(
        answer.verdict,
        Some(IdempotencyVerdict::Unavailable(_))
    ));
    assert_eq!(counter.count(), 0);
}

#[tokio::test]
async fn if_recording_fails_after_the_work_the_caller_still_gets_the_answer() {
    let server = Arc::new(Mutex::new(RedisServer::start().await));
    let locks = LockService::builder()
        .redis_url(server.lock().expect("no panic").url())
        // Long enough for a busy machine to begin, which comes first.
        .command_timeout(Duration::from_secs(3))
        .build()
        .expect("a service");
    let inner = service_fn(move |_: Request<IdempotencyRequestBody<Full<Bytes>>>| {
        server.lock().expect("no panic").kill();
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done"))) }
    });
    let answer = ask(&layer(&locks), inner, post("k", "p")).await;
    assert_eq!(
        (answer.status, &*answer.body),
        (StatusCode::OK, &b"done"[..])
    );
    assert!(matches!(
        answer.verdict,
        Some(IdempotencyVerdict::NotRecorded(_))
    ));
}

#[tokio::test]
async fn a_panic_reaches_the_caller_and_leaves_the_key_in_doubt() {
    let store = Fixture::host();
    let counter = Counter::default();
    let layer = layer(&store.replica());
    let panics = service_fn(
        async |request: Request<IdempotencyRequestBody<Full<Bytes>>>| {
            assert_eq!(request.uri().path(), "/", "a bug");
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        },
    );
    let first = tokio::spawn({
        let layer = layer.clone();
        async move { ask(&layer, panics, post("k", "p")).await }
    });
    assert!(first.await.is_err_and(|error| error.is_panic()));
    let second = until_decided(&layer, &counter).await;
    assert_eq!(second.error(), "idempotency_in_doubt");
}

#[tokio::test]
async fn an_error_of_the_inner_service_reaches_the_caller_and_leaves_the_key_in_doubt() {
    let store = Fixture::host();
    let counter = Counter::default();
    let layer = layer(&store.replica());
    let fails = layer.layer(service_fn(
        async |_: Request<IdempotencyRequestBody<Full<Bytes>>>| {
            Err::<Response<Full<Bytes>>, _>("no")
        },
    ));
    let error = fails.oneshot(post("k", "p")).await.err();
    assert_eq!(error, Some("no"));
    let second = until_decided(&layer, &counter).await;
    assert_eq!(second.error(), "idempotency_in_doubt");
}

#[tokio::test]
async fn half_an_answer_reaches_the_caller_and_leaves_the_key_in_doubt() {
    let store = Fixture::host();
    let counter = Counter::default();
    let layer = layer(&store.replica());
    let breaks = layer.layer(service_fn(
        async |_: Request<IdempotencyRequestBody<Full<Bytes>>>| {
            Ok::<_, Infallible>(Response::new(Pieces::new(7, 1).broken()))
        },
    ));
    let Ok(response) = breaks.oneshot(post("k", "p")).await;
    let mut body = pin!(response.into_body());
    let frame = body.frame().await.expect("a frame").expect("data");
    assert_eq!(frame.into_data().expect("data").len(), 7);
    let error = body.frame().await.expect("a frame").expect_err("the end");
    assert_eq!(error.to_string(), "the connection broke");
    let second = until_decided(&layer, &counter).await;
    assert_eq!(second.error(), "idempotency_in_doubt");
}

#[tokio::test]
async fn an_execution_is_spawned_in_the_context_of_its_caller() {
    tokio::task_local! {
        static CALLER: &'static str;
    }

    let store = Fixture::host();
    let layer = IdempotencyLayer::new(&store.replica(), scope, |execution| {
        let caller = CALLER.get();
        tokio::spawn(CALLER.scope(caller, execution));
    });
    let inner = service_fn(async |_: Request<IdempotencyRequestBody<Full<Bytes>>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(CALLER.get())))
    });
    let answer = CALLER
        .scope("u-1", ask(&layer, inner, post("k", "p")))
        .await;
    assert_eq!(answer.body, "u-1");
}

#[tokio::test]
async fn the_handler_finds_its_execution() {
    let store = Fixture::host();
    let layer = layer(&store.replica());
    let (sender, receiver) = oneshot::channel();
    let sender = Arc::new(Mutex::new(Some(sender)));
    let inner = service_fn(
        move |request: Request<IdempotencyRequestBody<Full<Bytes>>>| {
            let execution = request.extensions().get::<Execution>().cloned();
            if let Some(sender) = sender.lock().expect("no panic").take() {
                sender.send(execution).expect("awaited");
            }
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
        },
    );
    ask(&layer, inner, post("k", "p")).await;
    let execution = receiver.await.expect("sent").expect("it has a key");
    assert_eq!(execution.attempt(), 1);
    assert!(execution.lease().fence() > 0);
    // A hash: neither the key nor the caller can be read from it.
    assert_eq!(execution.key().len(), 64);
    assert!(execution.key().bytes().all(|byte| byte.is_ascii_hexdigit()));
    let lock = format!("once:{}", execution.key());
    assert_eq!(execution.lease().name().as_str(), lock);
}

#[tokio::test]
async fn the_layer_warns_once_where_the_store_may_lose_what_it_has_acknowledged() {
    let capture = Capture::start();
    let server = RedisServer::start().await;
    let forgetful = layer(&locks_at(server.url()));
    let folder = Fixture::host();
    let files = layer(&folder.replica());
    let counter = Counter::default();
    for key in ["a", "b", "c"] {
        ask(&files, bills(&counter), post(key, "p")).await;
    }
    assert!(
        !capture.text().contains("may lose writes"),
        "{}",
        capture.text()
    );
    for key in ["a", "b", "c"] {
        ask(&forgetful, bills(&counter), post(key, "p")).await;
    }
    // The warning comes after the answer.
    while !capture.text().contains("may lose writes") {
        tokio::task::yield_now().await;
    }
    ask(&forgetful, bills(&counter), post("d", "p")).await;
    assert_eq!(capture.text().matches("may lose writes").count(), 1);
}
