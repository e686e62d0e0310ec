//! Each layer alone, and the stack put together by hand.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use civic_auth::{CorrelationId, InternalHeadersLayer};
use civic_client::balance::StaticEndpoints;
use civic_client::layer::{
    AttemptHeadersLayer, AttemptNumber, AttemptSpanLayer, AttemptTimeoutLayer, Attempts,
    BalanceLayer, CollectBodyLayer, IdempotencyKeyLayer, InFlightLimitLayer, ObserveLayer,
    PropagateContextLayer, RetryLayer,
};
use civic_client::observe::Observer;
use civic_client::{
    Body, CallOptions, Error, ErrorKind, Jitter, NotRetried, RetryPolicy, Transport,
};
use civic_testkit::contract::{assert_ready_before_call, assert_ready_before_call_with};
use civic_testkit::log::Capture;
use civic_testkit::upstream::{Step, Upstream};
use http::{Method, Request, Response, StatusCode};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{attempt_spans, bare, call, ends, exact, minter, same_on_all};

fn post() -> Request<Body> {
    let mut request = Request::new(Body::from("1"));
    *request.method_mut() = Method::POST;
    request
}

/// Listens to nothing.
struct Deaf;

impl Observer for Deaf {}

#[tokio::test(start_paused = true)]
async fn every_layer_calls_only_what_it_has_polled_ready() {
    assert_ready_before_call(PropagateContextLayer::new(), post()).await;
    assert_ready_before_call(IdempotencyKeyLayer::new(), post()).await;
    assert_ready_before_call(RetryLayer::default(), post()).await;
    assert_ready_before_call(AttemptSpanLayer::new(), post()).await;
    assert_ready_before_call(AttemptTimeoutLayer::default(), post()).await;
    assert_ready_before_call(AttemptHeadersLayer::new(), post()).await;
    assert_ready_before_call(CollectBodyLayer::new(), post()).await;
    assert_ready_before_call(InFlightLimitLayer::new(1), post()).await;
    assert_ready_before_call(ObserveLayer::of_calls(Deaf), post()).await;
    let endpoints = StaticEndpoints::parse("a,b").unwrap();
    assert_ready_before_call(BalanceLayer::new(endpoints), post()).await;
    let stack = ServiceBuilder::new()
        .layer(PropagateContextLayer::new())
        .layer(IdempotencyKeyLayer::new())
        .layer(RetryLayer::default())
        .layer(AttemptSpanLayer::new())
        .layer(AttemptTimeoutLayer::default())
        .layer(AttemptHeadersLayer::new())
        .layer(InternalHeadersLayer::new(minter()))
        .layer(CollectBodyLayer::new())
        .into_inner();
    assert_ready_before_call(stack, post()).await;
}

#[tokio::test(start_paused = true)]
async fn each_retry_polls_its_service_ready_anew() {
    let calls = AtomicUsize::new(0);
    let answer = move || {
        // Two failures before each success.
        let status = match calls.fetch_add(1, Ordering::SeqCst) % 3 {
            2 => StatusCode::OK,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        Ok::<_, Infallible>(response)
    };
    assert_ready_before_call_with(RetryLayer::default(), Request::new(Body::empty()), answer).await;
}

/// A service that answers, and can be ready only so many times.
#[derive(Clone)]
struct Exhaustible {
    ready: usize,
}

impl Service<Request<Body>> for Exhaustible {
    type Response = Response<Bytes>;
    type Error = Error;
    type Future = std::future::Ready<Result<Response<Bytes>, Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Error>> {
        match self.ready.checked_sub(1) {
            Some(left) => {
                self.ready = left;
                Poll::Ready(Ok(()))
            }
            None => Poll::Ready(Err(Error::new(ErrorKind::Transport))),
        }
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let mut response = Response::new(Bytes::from_static(b"the peer's own words"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        std::future::ready(Ok(response))
    }
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_not_lost_when_the_service_is_not_ready_for_a_retry() {
    let service = RetryLayer::default().layer(Exhaustible { ready: 1 });
    let response = service.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(response.body(), "the peer's own words");
    let attempts = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(
        (attempts.made(), attempts.not_retried()),
        (1, Some(NotRetried::NotReady))
    );
}

#[tokio::test(start_paused = true)]
async fn the_retry_layer_alone_numbers_attempts_and_obeys_the_calls_options() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let record = seen.clone();
    let service = service_fn(move |request: Request<Body>| {
        record.lock().unwrap().push(
            request
                .extensions()
                .get::<AttemptNumber>()
                .unwrap()
                .number(),
        );
        async { Err::<Response<Bytes>, _>(Error::new(ErrorKind::Transport)) }
    });
    let mut retry = RetryLayer::new(RetryPolicy::new().with_jitter(Jitter::None)).layer(service);
    let mut request = post();
    request
        .extensions_mut()
        .insert(CallOptions::new().with_retries(1).with_idempotent(true));
    let error = retry
        .ready()
        .await
        .unwrap()
        .call(request)
        .await
        .unwrap_err();
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
    assert_eq!(
        (error.attempts(), error.not_retried()),
        (2, Some(NotRetried::Exhausted))
    );
    let mut request = post();
    request
        .headers_mut()
        .insert("idempotency-key", "\"k\"".parse().unwrap());
    retry
        .ready()
        .await
        .unwrap()
        .call(request)
        .await
        .unwrap_err();
    assert_eq!(
        *seen.lock().unwrap(),
        [1, 2, 1, 2, 3],
        "a key that is there is the caller's"
    );
}

#[tokio::test(start_paused = true)]
async fn the_attempt_timeout_alone_has_an_error_of_its_own_and_drops_the_future() {
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let sender = std::sync::Mutex::new(Some(sender));
    let service = service_fn(move |_: Request<Body>| {
        let held = sender.lock().unwrap().take();
        async move {
            let _held = held;
            std::future::pending::<Result<Response<Bytes>, Infallible>>().await
        }
    });
    let start = Instant::now();
    let error = AttemptTimeoutLayer::default()
        .layer(service)
        .oneshot(post())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(start.elapsed(), Duration::from_secs(10), "the default");
    assert!(receiver.await.is_err(), "the inner future was dropped");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_with_the_timer_wins_and_an_endless_timeout_is_none() {
    let service = service_fn(|_: Request<Body>| async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        Ok::<_, Infallible>(Response::new(Bytes::new()))
    });
    AttemptTimeoutLayer::default()
        .layer(service)
        .oneshot(post())
        .await
        .unwrap();
    AttemptTimeoutLayer::new(Duration::MAX)
        .layer(service)
        .oneshot(post())
        .await
        .unwrap();
}

#[tokio::test]
async fn the_correlation_layer_alone_takes_the_extension_the_header_or_a_new_id() {
    let service =
        PropagateContextLayer::new().layer(service_fn(|request: Request<Body>| async move {
            let id = request.headers()["x-correlation-id"]
                .to_str()
                .unwrap()
                .to_owned();
            Ok::<_, Infallible>(Response::new(id))
        }));
    let id_of = |request| {
        let service = service.clone();
        async move {
            let response = service.oneshot(request).await.unwrap();
            let extension = response.extensions().get::<CorrelationId>().unwrap();
            assert_eq!(extension.as_str(), response.body());
            response.into_body()
        }
    };
    let mut with_header = post();
    with_header
        .headers_mut()
        .insert("x-correlation-id", "header".parse().unwrap());
    let mut with_both = with_header.clone();
    with_both
        .extensions_mut()
        .insert(CorrelationId::parse("extension").unwrap());
    assert_eq!(id_of(with_both).await, "extension");
    assert_eq!(id_of(with_header).await, "header");
    assert_ne!(id_of(post()).await, id_of(post()).await);
}

/// What the peer saw, but for what differs between any two calls: the token, the id and the key.
fn seen(peer: &Upstream) -> Vec<String> {
    let attempts = peer.attempts();
    let times = crate::support::millis(&attempts);
    let line = |(attempt, at): (&civic_testkit::upstream::Attempt, u128)| {
        let mut headers: Vec<_> = attempt
            .headers
            .iter()
            .filter(|(name, _)| *name != "host")
            .map(|(name, value)| match name.as_str() {
                "authorization" | "x-correlation-id" | "idempotency-key" => name.to_string(),
                _ => format!("{name}: {value:?}"),
            })
            .collect();
        headers.sort();
        let (method, target, body) = (&attempt.method, &attempt.target, &attempt.body);
        format!("{at} {method} {target} {headers:?} {body:?}")
    };
    attempts.iter().zip(times).map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn the_default_stack_rebuilt_by_hand_behaves_the_same() {
    let script = || {
        [
            // A call that succeeds at the third attempt.
            Step::status(500),
            Step::hang_in_body(),
            Step::envelope("42"),
            // One that may not be repeated, one that is asked to come again, one that is refused.
            Step::reset(),
            Step::status(503).header("retry-after", "3"),
            Step::status(204),
            Step::status(404),
        ]
    };
    let capture = Capture::start();
    let plain = Upstream::start(script()).await;
    let rebuilt = Upstream::start(script()).await;
    let stack = ServiceBuilder::new()
        .layer(PropagateContextLayer::new())
        .layer(IdempotencyKeyLayer::new())
        .layer(RetryLayer::new(
            RetryPolicy::new().with_jitter(Jitter::None),
        ))
        .layer(AttemptSpanLayer::new())
        .layer(AttemptTimeoutLayer::default())
        .layer(AttemptHeadersLayer::new())
        .layer(InternalHeadersLayer::new(minter()))
        .layer(CollectBodyLayer::new())
        .service(Transport::default());
    let clients = [
        exact(&plain.url()).build().unwrap(),
        bare(&rebuilt.url()).build_over(stack).unwrap(),
    ];
    let mut outcomes = [const { Vec::new() }; 2];
    for (client, outcomes) in clients.iter().zip(&mut outcomes) {
        let get = client.get("/things/{id}").param("id", "a/b");
        outcomes.push(format!("{:?}", get.query("q", 1).fetch::<u8>().await.ok()));
        for _ in 0..3 {
            let result = call(client, &Method::POST).await;
            outcomes.push(result.map_or_else(|error| error.to_string(), |()| "done".to_owned()));
        }
    }
    assert_eq!(outcomes[0][0], "Some(42)");
    assert_eq!(outcomes[0], outcomes[1]);
    assert_eq!(seen(&plain).len(), 7);
    assert_eq!(seen(&plain), seen(&rebuilt));
    let spans: Vec<Vec<(String, String)>> = attempt_spans(&capture)
        .iter()
        .map(|span| {
            span.iter()
                .filter(|(name, _)| !matches!(*name, "server.port" | "correlation_id"))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        })
        .collect();
    assert_eq!(spans.len(), 14);
    assert_eq!(spans[..7], spans[7..]);
    let attempts = rebuilt.attempts();
    same_on_all(&attempts[..3], "x-correlation-id");
    // The call that was asked to come again, and did.
    same_on_all(&attempts[4..6], "idempotency-key");
}

#[tokio::test]
async fn the_client_waits_for_a_stack_that_is_not_ready_inside_its_own_future() {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
    let limited = ServiceBuilder::new()
        .layer(tower::limit::GlobalConcurrencyLimitLayer::with_semaphore(
            gate.clone(),
        ))
        .service(service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Bytes::new()))
        }));
    let client = bare("http://localhost").build_over(limited).unwrap();
    let held = gate.acquire_owned().await.unwrap();
    let mut waiting = Box::pin(call(&client, &Method::GET));
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("the gate is closed"),
        () = tokio::task::yield_now() => {}
    }
    drop(held);
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_the_wait_for_a_stack_that_is_not_ready() {
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let limited = ServiceBuilder::new()
        .layer(tower::limit::GlobalConcurrencyLimitLayer::with_semaphore(
            gate,
        ))
        .service(service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Bytes::new()))
        }));
    let client = bare("http://localhost").build_over(limited).unwrap();
    let id = CorrelationId::parse("given").unwrap();
    let request = client.get("/").deadline(Duration::from_secs(2));
    let error = ends(request.correlation_id(id.clone()).send())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!((error.attempts(), error.elapsed().as_secs()), (0, 2));
    assert_eq!(error.correlation_id(), Some(&id));
}

/// A service that answers 503, and is ready for one call only: then it keeps its caller waiting.
#[derive(Clone)]
struct Once(bool);

impl Service<Request<Body>> for Once {
    type Response = Response<Bytes>;
    type Error = Error;
    type Future = std::future::Ready<Result<Response<Bytes>, Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Error>> {
        if self.0 {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        self.0 = true;
        let mut response = Response::new(Bytes::from_static(b"the peer's own words"));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        std::future::ready(Ok(response))
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_the_wait_for_a_service_that_is_not_ready_for_a_retry() {
    let start = Instant::now();
    let mut request = Request::new(Body::empty());
    let deadline = start + Duration::from_secs(2);
    request
        .extensions_mut()
        .insert(CallOptions::new().with_deadline(deadline));
    let retry = RetryLayer::default().layer(Once(false));
    let response = ends(retry.oneshot(request)).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 2);
    assert_eq!(response.body(), "the peer's own words");
    let attempts = response.extensions().get::<Attempts>().unwrap();
    assert_eq!(
        (attempts.made(), attempts.not_retried()),
        (1, Some(NotRetried::Deadline))
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_the_deadline_has_passed() {
    let calls = std::sync::Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let service = service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok::<_, Infallible>(Response::new(Bytes::new())))
    });
    let mut request = post();
    request
        .extensions_mut()
        .insert(CallOptions::new().with_deadline(Instant::now()));
    let limited = AttemptTimeoutLayer::default().layer(service);
    let error = limited.oneshot(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

/// A body whose transport calls every failure one of connecting.
struct Misleading;

impl http_body::Body for Misleading {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Error>>> {
        Poll::Ready(Some(Err(Error::new(ErrorKind::Connect))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_answer_began_was_sent_whatever_its_transport_says() {
    let calls = std::sync::Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let service = service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok::<_, Infallible>(Response::new(Misleading)))
    });
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::default())
        .layer(CollectBodyLayer::new())
        .service(service);
    let error = stack.oneshot(post()).await.unwrap_err();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert_eq!(error.not_retried(), Some(NotRetried::NotReplaySafe));
}
