//! What is tried again, how often and when.

use std::time::Duration;

use civic_client::{Error, ErrorKind, Jitter, NotRetried, RetryScope, ServiceClient};
use civic_testkit::upstream::{Step, Upstream};
use http::Method;

use crate::support::{call, client_of, ends, exact, millis, minter, peer};

/// How often the peer was tried: the requests that it read, or the connections that it refused.
async fn tries(step: &Step, method: &Method, scope: RetryScope) -> (usize, Error) {
    let peer = Upstream::start([step.clone()]).await;
    let client = exact(&peer.url()).retry_scope(scope).build().unwrap();
    let error = call(&client, method).await.unwrap_err();
    let count = peer.attempts().len().max(peer.connections());
    assert_eq!(error.attempts() as usize, count, "{error}");
    (count, error)
}

struct Row {
    name: &'static str,
    step: Step,
    /// Attempts of an idempotent method, and of POST and PATCH.
    attempts: (usize, usize),
}

fn table() -> Vec<Row> {
    let row = |name, step, attempts| Row {
        name,
        step,
        attempts,
    };
    let asking = |status| Step::status(status).header("retry-after", "0");
    vec![
        row("429 with Retry-After", asking(429), (3, 3)),
        row("503 with Retry-After", asking(503), (3, 3)),
        row("429 bare", Step::status(429), (1, 1)),
        row("503 bare", Step::status(503), (3, 1)),
        row(
            "503 whose Retry-After is no number",
            Step::status(503).header("retry-after", "soon"),
            (3, 1),
        ),
        row("500", Step::status(500), (3, 1)),
        row("500 with Retry-After", asking(500), (3, 1)),
        row("502", Step::status(502), (3, 1)),
        row("504", Step::status(504), (3, 1)),
        row("599", Step::status(599), (3, 1)),
        row("501", Step::status(501), (1, 1)),
        row("501 with Retry-After", asking(501), (1, 1)),
        row("505", Step::status(505), (1, 1)),
        row("400", Step::status(400), (1, 1)),
        row("404 with Retry-After", asking(404), (1, 1)),
        row("408", Step::status(408), (1, 1)),
        row("409", Step::status(409), (1, 1)),
        row(
            "307",
            Step::status(307).header("location", "/elsewhere"),
            (1, 1),
        ),
        row("timeout before the headers", Step::hang(), (3, 1)),
        row("timeout in the body", Step::hang_in_body(), (3, 1)),
        row("reset before the headers", Step::reset(), (3, 1)),
        row("closed before the headers", Step::fin(), (3, 1)),
        row("closed in the headers", Step::half_a_head(), (3, 1)),
        row("reset in the body", Step::reset_in_body("{"), (3, 1)),
        row("closed in the body", Step::truncated_body("{"), (3, 1)),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_row_of_the_retry_table_holds_for_every_method() {
    let idempotent = [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS];
    for row in table() {
        for method in &idempotent {
            let (count, _) = tries(&row.step, method, RetryScope::Idempotent).await;
            assert_eq!(count, row.attempts.0, "{method} {}", row.name);
        }
        for method in [Method::POST, Method::PATCH] {
            let (count, error) = tries(&row.step, &method, RetryScope::Idempotent).await;
            assert_eq!(count, row.attempts.1, "{method} {}", row.name);
            let reason = match row.attempts {
                (_, 3) => NotRetried::Exhausted,
                (3, _) => NotRetried::NotReplaySafe,
                _ => NotRetried::NotRetryable,
            };
            assert_eq!(error.not_retried(), Some(reason), "{method} {}", row.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_may_be_replayed_is_treated_like_a_get() {
    for row in table() {
        let peer = Upstream::start([row.step.clone()]).await;
        let client = client_of(&peer);
        ends(client.post("/").idempotent(true).send())
            .await
            .unwrap_err();
        assert_eq!(
            peer.attempts().len(),
            row.attempts.0,
            "declared: {}",
            row.name
        );

        let peer = Upstream::start([row.step.clone()]).await;
        let client = client_of(&peer);
        ends(client.post("/").idempotency_key("order-7").send())
            .await
            .unwrap_err();
        assert_eq!(
            peer.attempts().len(),
            row.attempts.0,
            "own key: {}",
            row.name
        );
        assert!(
            peer.attempts()
                .iter()
                .all(|attempt| attempt.header("idempotency-key") == Some("\"order-7\""))
        );

        let (count, _) = tries(&row.step, &Method::POST, RetryScope::AllMethods).await;
        assert_eq!(count, row.attempts.0, "all methods: {}", row.name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_get_that_is_declared_not_idempotent_is_treated_like_a_post() {
    for row in table() {
        let peer = Upstream::start([row.step.clone()]).await;
        ends(client_of(&peer).get("/").idempotent(false).send())
            .await
            .unwrap_err();
        assert_eq!(peer.attempts().len(), row.attempts.1, "{}", row.name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_calls_own_word_counts_more_than_its_clients_rule() {
    let peer = Upstream::start([Step::status(500)]).await;
    let client = exact(&peer.url())
        .retry_scope(RetryScope::AllMethods)
        .build()
        .unwrap();
    let error = ends(client.post("/").idempotent(false).send())
        .await
        .unwrap_err();
    assert_eq!(
        (error.attempts(), error.not_retried()),
        (1, Some(NotRetried::NotReplaySafe))
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_tried_three_times_with_every_method() {
    let refusing = Upstream::refusing().await;
    let client = exact(&refusing.url()).build().unwrap();
    for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
        let error = call(&client, &method).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{method}");
        assert_eq!(error.attempts(), 3, "{method}");
        assert_eq!(error.elapsed().as_millis(), 1500, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_finds_its_peer_again_is_executed_once() {
    let script = [
        Step::status(503).header("retry-after", "0"),
        Step::envelope("1"),
    ];
    let (peer, client) = peer(script).await;
    call(&client, &Method::POST).await.unwrap();
    assert_eq!(peer.attempts().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_jitter_the_waits_are_exactly_500_and_1000_milliseconds() {
    let (peer, client) = peer([Step::status(500)]).await;
    call(&client, &Method::GET).await.unwrap_err();
    assert_eq!(millis(&peer.attempts()), [0, 500, 1500]);
}

#[tokio::test(start_paused = true)]
async fn two_requests_of_one_client_draw_different_jitter() {
    let peer = Upstream::start([Step::status(500)]).await;
    let client = ServiceClient::builder(&peer.url())
        .minter(minter())
        .build()
        .unwrap();
    for _ in 0..2 {
        call(&client, &Method::GET).await.unwrap_err();
    }
    let attempts = peer.attempts();
    let waits = |attempts: &[civic_testkit::upstream::Attempt]| {
        let wait = |from: usize| (attempts[from + 1].at - attempts[from].at).as_secs_f64();
        (wait(0), wait(1))
    };
    let (first, second) = (waits(&attempts[..3]), waits(&attempts[3..]));
    assert_ne!(first, second);
    for (short, long) in [first, second] {
        // A millisecond of slack: tokio's timers round up to the next one.
        assert!((0.4..0.602).contains(&short), "{short}");
        assert!((0.8..1.202).contains(&long), "{long}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_and_never_early() {
    for jitter in [Jitter::None, Jitter::Proportional, Jitter::Full] {
        let script = [
            Step::status(503).header("retry-after", "3"),
            Step::status(204),
        ];
        let peer = Upstream::start(script).await;
        let client = exact(&peer.url()).jitter(jitter).build().unwrap();
        call(&client, &Method::POST).await.unwrap();
        let waited = millis(&peer.attempts())[1];
        assert!((3000..=3301).contains(&waited), "{jitter:?}: {waited}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_ten_seconds_is_waited_for_and_a_longer_one_ends_the_call_at_once() {
    let ten = [
        Step::status(429).header("retry-after", "10"),
        Step::status(204),
    ];
    let (patient, client) = peer(ten).await;
    call(&client, &Method::GET).await.unwrap();
    assert_eq!(millis(&patient.attempts()), [0, 10_000]);

    let (hasty, client) = peer([Step::status(503).header("retry-after", "11")]).await;
    let error = call(&client, &Method::GET).await.unwrap_err();
    assert_eq!(hasty.attempts().len(), 1);
    assert_eq!(error.elapsed(), Duration::ZERO);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(11)));
    assert_eq!(error.not_retried(), Some(NotRetried::RetryAfterTooLong));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_was_retried_in_vain_is_that_of_the_last_attempt() {
    let script = [
        Step::reset(),
        Step::status(503),
        Step::status(502).with_json(r#"{"message":"the last"}"#),
    ];
    let (_peer, client) = peer(script).await;
    let error = call(&client, &Method::GET).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 502);
    assert_eq!(error.message(), Some("the last"));
    assert_eq!(
        (error.attempts(), error.not_retried()),
        (3, Some(NotRetried::Exhausted))
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_that_the_caller_did_not_give_does_not_make_a_post_replayable() {
    let (peer, client) = peer([Step::status(500)]).await;
    call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(peer.attempts().len(), 1);
    assert!(peer.attempts()[0].header("idempotency-key").is_some());
}

#[tokio::test]
async fn only_post_and_patch_carry_a_key_and_each_call_its_own() {
    let (peer, client) = peer([Step::status(204)]).await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
        call(&client, &method).await.unwrap();
    }
    assert!(
        peer.attempts()
            .iter()
            .all(|attempt| attempt.header("idempotency-key").is_none())
    );
    call(&client, &Method::POST).await.unwrap();
    call(&client, &Method::PATCH).await.unwrap();
    let attempts = peer.attempts();
    let keys: Vec<_> = attempts
        .iter()
        .filter_map(|attempt| attempt.header("idempotency-key"))
        .collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
}
