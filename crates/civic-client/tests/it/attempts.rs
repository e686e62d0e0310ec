//! An attempt is a whole exchange, with a time limit and a token of its own.

use std::time::Duration;

use civic_auth::{CorrelationId, RequestContext};
use civic_client::{ErrorKind, Jitter, NotRetried, ServiceClient};
use civic_testkit::upstream::{Step, Upstream};
use http::Method;
use tokio::time::Instant;
use uuid::Uuid;

use crate::support::{
    call, client_of, ends, exact, millis, minter_from, peer, same_on_all, token_at,
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
    let inbound = http::HeaderMap::from_iter([
        (
            http::HeaderName::from_static("traceparent"),
            http::HeaderValue::from_static(
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
        ),
        (
            http::HeaderName::from_static("tracestate"),
            http::HeaderValue::from_static("vendor=opaque"),
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
