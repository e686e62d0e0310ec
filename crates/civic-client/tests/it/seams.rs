//! Where a user's own layers stand, and what a stack of one's own means.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use civic_client::transport::SystemResolver;
use civic_client::{
    Body, ClientService, Error, ErrorKind, Jitter, NotRetried, PeerMemory, RetryPolicy, RetryScope,
    ServiceClient, Transmission, TransportConfig,
};
use civic_testkit::upstream::{Step, Upstream};
use http::{HeaderValue, Request, Response};
use tokio::time::Instant;
use tower::util::MapRequestLayer;
use tower::{Service, ServiceExt, service_fn};
use tower_layer::layer_fn;

use crate::support::{ends, exact, minter};

fn tagging(name: &'static str) -> MapRequestLayer<impl Fn(Request<Body>) -> Request<Body> + Clone> {
    let count = Arc::new(AtomicU32::new(0));
    MapRequestLayer::new(move |mut request: Request<Body>| {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        let trail = request.headers().get("x-trail").cloned();
        let trail = trail.as_ref().map_or("", |trail| trail.to_str().unwrap());
        let trail = HeaderValue::try_from(format!("{trail}{name}{number} ")).unwrap();
        request.headers_mut().insert("x-trail", trail);
        // The token is minted further in.
        assert!(!request.headers().contains_key("authorization"));
        assert!(request.headers().contains_key("x-correlation-id"));
        request
    })
}

#[tokio::test(start_paused = true)]
async fn a_layer_of_the_call_runs_once_and_one_of_the_attempt_each_time_the_first_outermost() {
    let peer = Upstream::start([Step::status(500), Step::status(204)]).await;
    let client = exact(&peer.url())
        .layer_call(tagging("a"))
        .layer_call(tagging("b"))
        .layer_attempt(tagging("c"))
        .layer_attempt(tagging("d"))
        .build()
        .unwrap();
    ends(client.get("/").send()).await.unwrap();
    let trails: Vec<_> = peer
        .attempts()
        .iter()
        .map(|attempt| attempt.header("x-trail").map(str::to_owned))
        .collect();
    let expected = ["a1 b1 c1 d1", "a1 b1 c2 d2"];
    assert_eq!(trails, expected.map(|trail| Some(trail.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_a_wait_in_a_layer_of_the_call_and_the_timeout_one_in_the_attempts() {
    let peer = Upstream::start([Step::status(204)]).await;
    let stuck = || {
        layer_fn(|_: ClientService| {
            service_fn(|_: Request<Body>| pending::<Result<Response<Bytes>, Error>>())
        })
    };
    let client = exact(&peer.url()).layer_call(stuck()).build().unwrap();
    let limit = Duration::from_millis(800);
    let start = Instant::now();
    let error = ends(client.get("/").deadline(limit).send())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(start.elapsed() <= limit + Duration::from_millis(1));

    let client = exact(&peer.url()).layer_attempt(stuck()).build().unwrap();
    let error = ends(client.get("/").retries(1).send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!((error.attempts(), error.elapsed().as_millis()), (2, 20_500));
    assert_eq!(peer.attempts().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_in_the_attempts_sees_every_failure_and_its_refusal_is_not_retried() {
    let peer = Upstream::start([Step::status(500)]).await;
    let breaker = layer_fn(|inner: ClientService| {
        let failures = Arc::new(AtomicU32::new(0));
        service_fn(move |request: Request<Body>| {
            let (inner, failures) = (inner.clone(), Arc::clone(&failures));
            async move {
                if failures.load(Ordering::Relaxed) >= 2 {
                    return Err(Error::new(ErrorKind::CircuitOpen));
                }
                let response = inner.oneshot(request).await?;
                failures.fetch_add(1, Ordering::Relaxed);
                Ok(response)
            }
        })
    });
    let client = exact(&peer.url()).layer_attempt(breaker).build().unwrap();
    let error = ends(client.get("/").send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    assert_eq!(error.transmission(), Transmission::NotSent);
    assert_eq!(error.not_retried(), Some(NotRetried::NotRetryable));
    assert_eq!((error.attempts(), peer.attempts().len()), (3, 2));
}

fn echo()
-> impl Service<Request<Body>, Response = Response<Bytes>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync {
    service_fn(|request: Request<Body>| async move {
        let url = serde_json::json!(request.uri().to_string()).to_string();
        Ok(Response::new(Bytes::from(url)))
    })
}

#[tokio::test]
async fn a_setting_that_a_stack_of_ones_own_would_not_use_is_an_error_that_names_it() {
    let builder = || ServiceClient::builder("http://localhost");
    let settings = [
        ("minter", builder().minter(minter())),
        ("anonymous", builder().anonymous()),
        ("retry", builder().retry(RetryPolicy::new())),
        ("retries", builder().retries(5)),
        ("retry_scope", builder().retry_scope(RetryScope::AllMethods)),
        ("jitter", builder().jitter(Jitter::None)),
        ("timeout", builder().timeout(Duration::from_secs(1))),
        ("transport", builder().transport(TransportConfig::new())),
        ("resolver", builder().resolver(SystemResolver::new())),
        ("max_in_flight", builder().max_in_flight(7)),
        (
            "trust_closing_answer",
            builder().trust_closing_answer(false),
        ),
        ("peer_memory", builder().peer_memory(PeerMemory::new())),
        (
            "without_idempotency_keys",
            builder().without_idempotency_keys(),
        ),
        ("layer_call", builder().layer_call(tagging("a"))),
        ("layer_attempt", builder().layer_attempt(tagging("a"))),
    ];
    for (name, builder) in settings {
        let error = builder.build_over(echo()).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Config, "{name}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let error = builder().retries(1).minter(minter()).build_over(echo());
    assert!(error.unwrap_err().to_string().contains("minter, retries"));

    // What the facade itself uses is welcome.
    let client = builder()
        .max_body(100)
        .default_header("x-tenant", "north")
        .unwrap_mode(civic_envelope::UnwrapMode::Raw)
        .build_over(echo())
        .unwrap();
    client.get("/").send().await.unwrap();
}

#[tokio::test]
async fn whether_there_is_tls_is_for_the_transport_to_say() {
    let builder = || ServiceClient::builder("https://localhost:8443/v1");
    #[cfg(not(feature = "tls"))]
    {
        let error = builder().anonymous().build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("TLS"), "{error}");
    }
    let client = builder().build_over(echo()).unwrap();
    let url: String = client.get("/x").fetch().await.unwrap();
    assert_eq!(url, "https://localhost:8443/v1/x");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_over_a_stack_that_knows_of_none() {
    let hanging = service_fn(|_: Request<Body>| pending::<Result<Response<Bytes>, Error>>());
    let client = ServiceClient::builder("http://localhost")
        .build_over(hanging)
        .unwrap();
    let limit = Duration::from_millis(200);
    let start = Instant::now();
    let error = ends(client.post("/").deadline(limit).send())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(error.transmission(), Transmission::Unknown);
    assert!(start.elapsed() <= limit + Duration::from_millis(1));
}

#[tokio::test]
async fn a_client_may_send_no_key_of_its_own() {
    let peer = Upstream::start([Step::status(204)]).await;
    let client = exact(&peer.url())
        .without_idempotency_keys()
        .build()
        .unwrap();
    client.post("/").send().await.unwrap();
    client.post("/").idempotency_key("k").send().await.unwrap();
    let attempts = peer.attempts();
    assert_eq!(attempts[0].header("idempotency-key"), None);
    assert_eq!(attempts[1].header("idempotency-key"), Some("\"k\""));
}
