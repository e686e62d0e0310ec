//! An attempt is a whole exchange, with a time limit and a token of its own.

use std::time::Duration;

use bytes::Bytes;
use civic_auth::{
    AuthLayer, CorrelationId, CorrelationIdLayer, RequestContext, Role, Secret, TokenVerifier,
    TransactionTokens, UserClaims,
};
use civic_client::{Body, ClientService, Error, ErrorKind, Jitter, NotRetried, ServiceClient};
use civic_testkit::upstream::{Step, Upstream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_layer::layer_fn;
use uuid::Uuid;

use crate::support::{
    SECRET, call, client_of, ends, exact, millis, minter, minter_from, peer, same_on_all, token_at,
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn three_attempts_carry_three_fresh_tokens_one_correlation_id_and_one_idempotency_key() {
    let peer = Upstream::start([Step::hang(), Step::hang_in_body(), Step::envelope("42")]).await;
    let client = ServiceClient::builder(&peer.url())
        .minter(minter_from(Instant::now()))
        .jitter(Jitter::None)
        .build()
        .unwrap();

    let request = client.post("/bills").json(&1).idempotent(true);
    let answer: u32 = ends(request.fetch()).await.unwrap();
    assert_eq!(answer, 42);

    let attempts = peer.attempts();
    assert_eq!(attempts.len(), 3);
    // 10 s and 500 ms after the first, then 10 s and 1 s after the second. A token that was minted
    // once would live for 30 s and be 21.5 s old.
    for (attempt, millis) in attempts.iter().zip([0, 10_500, 21_500]) {
        let expected = token_at(Duration::from_millis(millis));
        assert_eq!(
            attempt.header("authorization"),
            Some(format!("Bearer {expected}").as_str())
        );
    }
    let id = same_on_all(&attempts, "x-correlation-id");
    assert_eq!(Uuid::parse_str(id).unwrap().get_version_num(), 4);
    let key = same_on_all(&attempts, "idempotency-key");
    let bare = key
        .strip_prefix('"')
        .and_then(|key| key.strip_suffix('"'))
        .expect("a quoted string");
    assert_eq!(Uuid::parse_str(bare).unwrap().get_version_num(), 4);
    assert!(
        attempts.iter().all(|attempt| attempt.body == "1"),
        "the body is sent each time"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hung_body_times_out_inside_its_attempt_and_the_next_attempt_has_its_own_full_timeout() {
    let (peer, client) = peer([Step::hang_in_body()]).await;
    let error = call(&client, &Method::GET).await.unwrap_err();
    assert_eq!(millis(&peer.attempts()), [0, 10_500, 21_500]);
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.is_timeout());
    assert_eq!(error.attempts(), 3);
    assert_eq!(error.elapsed().as_millis(), 31_500);
    assert_eq!(error.not_retried(), Some(NotRetried::Exhausted));
    peer.abandoned(3).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_keeps_dripping_does_not_outlive_its_attempt() {
    let step =
        Step::drip(r#"{"a":"long story"}"#, SECOND).header("content-type", "application/json");
    let (peer, client) = peer([step]).await;
    let error = ends(client.get("/").retries(0).fetch::<serde_json::Value>())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.elapsed().as_secs(), 10);
    // The same body in time is an answer.
    let value: serde_json::Value = client.get("/").timeout(20 * SECOND).fetch().await.unwrap();
    assert_eq!(value["a"], "long story");
    assert_eq!(peer.attempts().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_may_have_a_timeout_and_retries_of_its_own() {
    let (peer, client) = peer([Step::hang()]).await;
    let error = ends(client.get("/").timeout(SECOND).retries(1).send())
        .await
        .unwrap_err();
    assert_eq!(millis(&peer.attempts()), [0, 1500]);
    assert_eq!(error.elapsed().as_millis(), 2500);
}

#[tokio::test(start_paused = true)]
async fn a_client_may_have_a_timeout_and_retries_of_its_own() {
    let peer = Upstream::start([Step::hang()]).await;
    let client = exact(&peer.url())
        .timeout(2 * SECOND)
        .retries(1)
        .build()
        .unwrap();
    let error = call(&client, &Method::GET).await.unwrap_err();
    assert_eq!(error.elapsed().as_millis(), 4500);
    let error = ends(client.get("/").retries(0).send()).await.unwrap_err();
    assert_eq!((error.attempts(), error.elapsed().as_secs()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_attempt_that_would_outlive_it() {
    let (peer, client) = peer([Step::hang()]).await;
    let error = ends(client.get("/").deadline(12 * SECOND).send())
        .await
        .unwrap_err();
    assert_eq!(millis(&peer.attempts()), [0, 10_500]);
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(error.is_timeout());
    assert_eq!(error.elapsed().as_secs(), 12);
    assert_eq!(error.not_retried(), Some(NotRetried::Deadline));
}

#[tokio::test(start_paused = true)]
async fn no_wait_overruns_the_deadline_and_the_outcome_so_far_is_returned_at_once() {
    let (peer, client) = peer([Step::status(500)]).await;
    let limit = Duration::from_millis(1400);
    let error = ends(client.get("/").deadline(limit).send())
        .await
        .unwrap_err();
    assert_eq!(millis(&peer.attempts()), [0, 500]);
    assert_eq!(error.kind(), ErrorKind::Status);
    assert_eq!(error.elapsed().as_millis(), 500);
    assert_eq!(error.not_retried(), Some(NotRetried::Deadline));
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_attempt_along() {
    let (peer, client) = peer([Step::hang()]).await;
    let task = tokio::spawn(async move { call(&client, &Method::GET).await });
    peer.received(1).await;
    task.abort();
    peer.abandoned(1).await;
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(peer.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_during_a_wait_is_not_retried_for() {
    let (peer, client) = peer([Step::status(500)]).await;
    let limit = Duration::from_millis(400);
    let cancelled = tokio::time::timeout(limit, call(&client, &Method::GET)).await;
    assert!(cancelled.is_err());
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(peer.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_correlation_id_is_the_callers_else_the_contexts_else_a_new_one_for_each_call() {
    let peer = Upstream::start([Step::status(500), Step::status(200)]).await;
    let client = client_of(&peer);
    let given = CorrelationId::parse("given").unwrap();
    let context = RequestContext::default()
        .with_correlation_id(CorrelationId::parse("of-the-request").unwrap());
    context
        .scope(async {
            call(&client, &Method::GET).await.unwrap();
            ends(client.get("/").correlation_id(given).send())
                .await
                .unwrap();
        })
        .await;
    call(&client, &Method::GET).await.unwrap();
    call(&client, &Method::GET).await.unwrap();
    let attempts = peer.attempts();
    let ids: Vec<_> = attempts
        .iter()
        .filter_map(|attempt| attempt.header("x-correlation-id"))
        .collect();
    assert_eq!(ids[..3], ["of-the-request", "of-the-request", "given"]);
    assert_ne!(ids[3], ids[4]);
    assert!(ids[3..].iter().all(|id| Uuid::parse_str(id).is_ok()));
}

#[tokio::test(start_paused = true)]
async fn the_trace_context_of_the_request_being_served_goes_out_with_every_attempt() {
    let (peer, client) = peer([Step::status(500), Step::status(204)]).await;
    let inbound = HeaderMap::from_iter([
        (
            HeaderName::from_static("traceparent"),
            HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ),
        (
            HeaderName::from_static("tracestate"),
            HeaderValue::from_static("vendor=opaque"),
        ),
    ]);
    let context = RequestContext::default().with_trace_of(&inbound);
    context.scope(call(&client, &Method::GET)).await.unwrap();
    let attempts = peer.attempts();
    assert_eq!(attempts.len(), 2);
    for (name, value) in &inbound {
        assert_eq!(same_on_all(&attempts, name.as_str()), value, "{name}");
    }
}

/// Runs the rest of each call in a task of its own, in which nothing is known of the request that
/// is being served.
fn elsewhere() -> impl Layer<
    ClientService,
    Service = impl Service<Request<Body>, Response = Response<Bytes>, Error = Error, Future: Send>
              + Clone
              + Send
              + Sync,
> + Send
+ Sync {
    layer_fn(|inner: ClientService| {
        service_fn(move |request: Request<Body>| {
            let rest = tokio::spawn(inner.clone().oneshot(request));
            async move { rest.await.expect("the rest of the call does not panic") }
        })
    })
}

#[test]
fn a_call_takes_its_context_along_to_another_task_and_to_another_runtime() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second, peers) = (runtime(), runtime(), runtime());
    let peer = peers.block_on(Upstream::start([Step::status(204)]));
    let inbound = HeaderMap::from_iter([
        (
            HeaderName::from_static("traceparent"),
            HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ),
        (
            HeaderName::from_static("x-retry-attempt"),
            HeaderValue::from_static("2"),
        ),
    ]);
    let context = RequestContext::default()
        .with_correlation_id(CorrelationId::parse("of-the-request").unwrap())
        .with_trace_of(&inbound)
        .with_retry_attempt_of(&inbound)
        .with_deadline(Instant::now() + Duration::from_secs(9));
    for builder in [
        exact(&peer.url()),
        // Without a token, the trace context is written all the same.
        ServiceClient::builder(&peer.url()).anonymous(),
        exact(&peer.url()).layer_call(elsewhere()),
        exact(&peer.url()).layer_attempt(elsewhere()),
    ] {
        let client = builder.build().unwrap();
        let before = peer.attempts().len();
        let called = {
            let client = client.clone();
            // A task that is spawned takes the context along because it is told to.
            move || {
                RequestContext::current().scope(async move { call(&client, &Method::GET).await })
            }
        };
        let served = context
            .clone()
            .scope(async { tokio::spawn(called.clone()()).await });
        first.block_on(served).unwrap().unwrap();
        // Made where the request is served, and carried out in another runtime.
        let made = context.clone().in_scope(called);
        second.block_on(made).unwrap();

        let attempts = peer.attempts().split_off(before);
        assert_eq!(attempts.len(), 2);
        assert_eq!(same_on_all(&attempts, "x-correlation-id"), "of-the-request");
        assert_eq!(same_on_all(&attempts, "x-retry-attempt"), "2");
        let traceparent = same_on_all(&attempts, "traceparent");
        assert_eq!(traceparent, inbound["traceparent"]);
        for attempt in &attempts {
            // Less than the timeout of an attempt: it is what is left of the deadline.
            let millis = attempt.header("x-request-timeout-ms").unwrap();
            assert!(millis.parse::<u32>().unwrap() <= 9000, "{millis}");
        }
    }
}

#[tokio::test]
async fn the_user_for_whom_a_call_is_made_is_not_lost_where_a_layer_moves_the_call() {
    let peer = Upstream::start([Step::status(204)]).await;
    let clerk = UserClaims::new(
        "9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11",
        "clerk@town.example",
        Role::TaxClerk,
    );
    let token = minter().mint_for(&clerk.with_municipality("town-1"), 60 * SECOND);
    let secret = || Secret::new(SECRET).unwrap();
    for builder in [
        exact(&peer.url()),
        exact(&peer.url()).layer_call(elsewhere()),
        exact(&peer.url()).layer_attempt(elsewhere()),
    ] {
        let client = builder.build().unwrap();
        let handler = service_fn(move |_: Request<Body>| {
            let client = client.clone();
            async move {
                call(&client, &Method::GET).await?;
                Ok::<_, Error>(Response::new(Body::empty()))
            }
        });
        let tokens = TransactionTokens::from_secrets(secret(), "billing");
        let service = ServiceBuilder::new()
            .layer(CorrelationIdLayer::new())
            .layer(AuthLayer::new(TokenVerifier::new(secret())).with_transactions(tokens))
            .service(handler);
        let request = Request::get("/bills").header("authorization", token.to_header_value());
        let response = service.oneshot(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.unwrap().status(), 200);
    }
    let attempts = peer.attempts();
    assert_eq!(attempts.len(), 3);
    for attempt in attempts {
        assert!(attempt.header("txn-token").is_some());
        assert!(attempt.header("authorization").is_some());
    }
}
