//! Each layer alone, and the stack put together by hand.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use civic_auth::{CorrelationId, InternalHeadersLayer};
use civic_client::{
    Body, CallOptions, Error, ErrorKind, Jitter, NotRetried, RetryPolicy, ServiceClient, Transport,
    layer::{
        AttemptTimeoutLayer, CollectBodyLayer, CorrelationLayer, IdempotencyKeyLayer, RetryLayer,
        TraceLayer,
        retry::{AttemptNumber, Attempts},
    },
};
use civic_testkit::{
    contract::{assert_ready_before_call, assert_ready_before_call_with},
    upstream::{Step, Upstream},
};
use http::{Method, Request, Response, StatusCode};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{call, exact, minter, same_on_all};

fn post() -> Request<Body> {
    let mut request = Request::new(Body::from("1"));
    *request.method_mut() = Method::POST;
    request
}

#[tokio::test(start_paused = true)]
async fn every_layer_calls_only_what_it_has_polled_ready() {
    assert_ready_before_call(CorrelationLayer::new(), post()).await;
    assert_ready_before_call(IdempotencyKeyLayer::new(), post()).await;
    assert_ready_before_call(RetryLayer::default(), post()).await;
    assert_ready_before_call(TraceLayer::new(), post()).await;
    assert_ready_before_call(AttemptTimeoutLayer::default(), post()).await;
    assert_ready_before_call(CollectBodyLayer::new(), post()).await;
    let stack = ServiceBuilder::new()
        .layer(CorrelationLayer::new())
        .layer(IdempotencyKeyLayer::new())
        .layer(RetryLayer::default())
        .layer(TraceLayer::new())
        .layer(AttemptTimeoutLayer::default())
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
    assert_eq!(response.extensions().get::<Attempts>().unwrap().made(), 1);
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
    let service = CorrelationLayer::new().layer(service_fn(|request: Request<Body>| async move {
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

#[tokio::test(start_paused = true)]
async fn a_stack_put_together_by_hand_keeps_the_promises() {
    let peer = Upstream::start([
        Step::status(500),
        Step::hang_in_body(),
        Step::envelope("42"),
    ])
    .await;
    let stack = ServiceBuilder::new()
        .layer(CorrelationLayer::new())
        .layer(IdempotencyKeyLayer::new())
        .layer(RetryLayer::new(
            RetryPolicy::new().with_jitter(Jitter::None),
        ))
        .layer(TraceLayer::new())
        .layer(AttemptTimeoutLayer::new(Duration::from_secs(2)))
        .layer(InternalHeadersLayer::new(minter()))
        .layer(CollectBodyLayer::new())
        .service(Transport::default());
    let client = ServiceClient::builder(&peer.url())
        .build_over(stack)
        .unwrap();
    let answer: u8 = client
        .patch("/")
        .json(&1)
        .idempotent(true)
        .send()
        .await
        .unwrap();
    assert_eq!(answer, 42);
    let attempts = peer.attempts();
    assert_eq!(crate::support::millis(&attempts), [0, 500, 3500]);
    same_on_all(&attempts, "x-correlation-id");
    same_on_all(&attempts, "idempotency-key");
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
    let client = exact("http://localhost").build_over(limited).unwrap();
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
