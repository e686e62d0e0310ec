//! What a peer may say about a retry, and what a chain of services makes of it.

use std::time::{Duration, Instant, SystemTime};

use civic_auth::RequestContext;
use civic_client::{ErrorKind, NotRetried, RetryPolicy, ServiceClient, Transmission};
use civic_testkit::log::Capture;
use civic_testkit::upstream::{Step, Upstream};
use http::{HeaderMap, HeaderValue, Method};

use crate::support::{call, client_of, ends, exact, millis, peer};

const CLOSING: &str =
    r#"{"error":"Service Unavailable","message":"Service Unavailable","statusCode":503}"#;

fn closing() -> Step {
    Step::status(503)
        .header("connection", "close")
        .with_json(CLOSING)
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_a_closing_fastify_is_retried_with_every_method_on_another_connection() {
    for method in [Method::POST, Method::PATCH, Method::GET, Method::DELETE] {
        let (peer, client) = peer([closing(), Step::status(204)]).await;
        call(&client, &method).await.unwrap();
        let attempts = peer.attempts();
        assert_eq!(attempts.len(), 2, "{method}");
        assert_ne!(attempts[0].connection, attempts[1].connection);
        // It was not executed, so it is no earlier attempt.
        assert_eq!(attempts[1].header("x-retry-attempt"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_only_resembles_that_of_a_closing_fastify_is_not_trusted() {
    let with = |body: &'static str| {
        Step::status(503)
            .header("connection", "close")
            .with_json(body)
    };
    let cases = [
        ("bare", Step::status(503).header("connection", "close")),
        ("kept alive", Step::status(503).with_json(CLOSING)),
        ("through a proxy", closing().header("via", "1.1 kong/3.9")),
        ("another status", closing().with_status(500)),
        (
            "another order",
            with(
                r#"{"statusCode":503,"error":"Service Unavailable","message":"Service Unavailable"}"#,
            ),
        ),
        (
            "a space",
            with(
                r#"{"error":"Service Unavailable","message":"Service Unavailable","statusCode": 503}"#,
            ),
        ),
        (
            "a line break",
            with(
                "{\"error\":\"Service Unavailable\",\"message\":\"Service Unavailable\",\"statusCode\":503}\n",
            ),
        ),
        (
            "cut off",
            with(
                r#"{"error":"Service Unavailable","message":"Service Unavailable","statusCode":503"#,
            ),
        ),
        (
            "another message",
            with(r#"{"error":"Service Unavailable","message":"database down","statusCode":503}"#),
        ),
        (
            "a body before it",
            with(
                r#" {"error":"Service Unavailable","message":"Service Unavailable","statusCode":503}"#,
            ),
        ),
    ];
    for (name, step) in cases {
        let (peer, client) = peer([step]).await;
        let error = call(&client, &Method::POST).await.unwrap_err();
        assert_eq!(peer.attempts().len(), 1, "{name}");
        assert_eq!(
            error.not_retried(),
            Some(NotRetried::NotReplaySafe),
            "{name}"
        );
    }
    let peer = Upstream::start([closing()]).await;
    let distrustful = exact(&peer.url()).trust_closing_answer(false).build();
    let error = call(&distrustful.unwrap(), &Method::POST)
        .await
        .unwrap_err();
    assert_eq!(error.not_retried(), Some(NotRetried::NotReplaySafe));
}

#[tokio::test(start_paused = true)]
async fn x_should_retry_false_stops_every_retry_and_true_adds_none() {
    let asking = |status| Step::status(status).header("retry-after", "0");
    let stopped = [
        ("503", Step::status(503)),
        ("500", Step::status(500)),
        ("504", Step::status(504)),
        ("503 with Retry-After", asking(503)),
        ("429 with Retry-After", asking(429)),
        ("closing", closing()),
    ];
    for (name, step) in stopped {
        for value in ["false", "False", " false "] {
            let step = step.clone().header("x-should-retry", value);
            let (peer, client) = peer([step]).await;
            let error = call(&client, &Method::GET).await.unwrap_err();
            assert_eq!(peer.attempts().len(), 1, "{name} {value:?}");
            assert_eq!(error.not_retried(), Some(NotRetried::PeerSaidNo), "{name}");
        }
    }
    for (step, attempts) in [
        (Step::status(500), 1),
        (Step::status(404), 1),
        (Step::status(501), 1),
        (asking(503), 3),
    ] {
        let (peer, client) = peer([step.header("x-should-retry", "true")]).await;
        call(&client, &Method::POST).await.unwrap_err();
        assert_eq!(peer.attempts().len(), attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_409_with_retry_after_is_retried_with_the_same_key_and_never_without_a_key() {
    let running = || Step::status(409).header("retry-after", "2");
    let (busy, client) = peer([running(), Step::status(201)]).await;
    call(&client, &Method::POST).await.unwrap();
    let attempts = busy.attempts();
    assert_eq!(millis(&attempts), [0, 2000]);
    assert_eq!(
        attempts[0].header("idempotency-key"),
        attempts[1].header("idempotency-key")
    );

    // No key: nothing says that a first execution still runs.
    let (conflict, client) = peer([running()]).await;
    let error = call(&client, &Method::PUT).await.unwrap_err();
    assert_eq!(conflict.attempts().len(), 1);
    assert_eq!(error.not_retried(), Some(NotRetried::NotRetryable));
    // No pause: in doubt, or a plain conflict.
    let (in_doubt, client) = peer([Step::status(409)]).await;
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(in_doubt.attempts().len(), 1);
    assert_eq!(error.not_retried(), Some(NotRetried::NotRetryable));
}

fn marked(mark: &'static str) -> RequestContext {
    let headers = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-retry-attempt"),
        HeaderValue::from_static(mark),
    )]);
    RequestContext::default().with_retry_attempt_of(&headers)
}

#[tokio::test(start_paused = true)]
async fn while_a_retry_is_being_served_a_call_carries_the_mark_and_is_retried_only_if_never_sent() {
    for step in [
        Step::status(500),
        Step::status(503).header("retry-after", "0"),
        Step::reset(),
        Step::hang(),
    ] {
        let (peer, client) = peer([step]).await;
        let error = marked("2").scope(call(&client, &Method::GET)).await;
        let attempts = peer.attempts();
        assert_eq!(attempts.len(), 1);
        assert_eq!(attempts[0].header("x-retry-attempt"), Some("2"));
        assert_eq!(
            error.unwrap_err().not_retried(),
            Some(NotRetried::ChainStop)
        );
    }
    let refusing = Upstream::refusing().await;
    let client = exact(&refusing.url()).build().unwrap();
    let error = marked("1").scope(call(&client, &Method::GET)).await;
    assert_eq!(error.unwrap_err().attempts(), 3);

    let (closed, client) = peer([closing(), Step::status(204)]).await;
    marked("1")
        .scope(call(&client, &Method::POST))
        .await
        .unwrap();
    let marks: Vec<_> = closed
        .attempts()
        .iter()
        .map(|attempt| attempt.header("x-retry-attempt").map(str::to_owned))
        .collect();
    assert_eq!(marks, [Some("1".to_owned()), Some("1".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn the_attempt_header_counts_the_attempts_that_may_have_reached_the_peer() {
    let script = [
        Step::status(500),
        closing(),
        Step::reset(),
        Step::status(500),
    ];
    let peer = Upstream::start(script).await;
    let client = exact(&peer.url()).retries(12).build().unwrap();
    let given = client.get("/").header("x-retry-attempt", "7");
    ends(given.send()).await.unwrap_err();
    let sent: Vec<_> = peer
        .attempts()
        .iter()
        .map(|attempt| attempt.header("x-retry-attempt").map(str::to_owned))
        .collect();
    let expected = [
        None,
        Some("1"),
        Some("1"),
        Some("2"),
        Some("3"),
        Some("4"),
        Some("5"),
        Some("6"),
        Some("7"),
        Some("8"),
        Some("9"),
        Some("9"),
        Some("9"),
    ];
    assert_eq!(sent, expected.map(|mark| mark.map(str::to_owned)));
}

#[tokio::test(start_paused = true)]
async fn every_attempt_says_how_long_the_caller_still_waits() {
    let (peer, client) = peer([Step::hang()]).await;
    let given = client.get("/").header("x-request-timeout-ms", "99");
    let limit = Duration::from_secs(12);
    ends(given.deadline(limit).send()).await.unwrap_err();
    ends(
        client
            .get("/")
            .timeout(Duration::from_micros(100))
            .retries(0)
            .send(),
    )
    .await
    .unwrap_err();
    let ten_minutes = Duration::from_millis(600_000);
    for timeout in [ten_minutes, ten_minutes + Duration::from_millis(1)] {
        ends(client.get("/").timeout(timeout).retries(0).send())
            .await
            .unwrap_err();
    }
    let sent: Vec<_> = peer
        .attempts()
        .iter()
        .map(|attempt| attempt.header("x-request-timeout-ms").map(str::to_owned))
        .collect();
    let expected = [Some("10000"), Some("1500"), Some("1"), Some("600000"), None];
    assert_eq!(sent, expected.map(|millis| millis.map(str::to_owned)));
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_by_the_deadline_of_the_request_being_served_even_without_one_of_its_own() {
    let (peer, client) = peer([Step::hang()]).await;
    let now = tokio::time::Instant::now();
    let context = RequestContext::default().with_deadline(now + Duration::from_secs(1));
    let error = context.clone().scope(call(&client, &Method::GET)).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(error.elapsed().as_millis(), 1000);
    assert_eq!(
        peer.attempts()[0].header("x-request-timeout-ms"),
        Some("1000")
    );

    // Now it has passed: nothing is sent, and the error says so.
    let error = context.scope(call(&client, &Method::POST)).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(error.transmission(), Transmission::NotSent);
    assert_eq!((error.attempts(), peer.attempts().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_not_begun_with_less_than_50_ms_left_unless_the_caller_chose_that_timeout() {
    let (peer, client) = peer([Step::status(204)]).await;
    for millis in [0, 1, 49] {
        let limit = Duration::from_millis(millis);
        let error = ends(client.post("/").deadline(limit).send()).await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deadline, "{millis}");
        assert_eq!(error.transmission(), Transmission::NotSent);
        assert_eq!(error.not_retried(), Some(NotRetried::Deadline));
        assert_eq!((error.attempts(), error.elapsed()), (0, Duration::ZERO));
    }
    assert_eq!(peer.attempts().len(), 0);
    ends(client.post("/").deadline(Duration::from_millis(50)).send())
        .await
        .unwrap();
    ends(client.post("/").timeout(Duration::from_millis(20)).send())
        .await
        .unwrap();
    assert_eq!(peer.attempts().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_that_is_a_date_is_waited_for_with_every_method() {
    for date in [
        "Sun, 06 Nov 1994 08:49:41 GMT",
        "Sunday, 06-Nov-94 08:49:41 GMT",
        "Sun Nov  6 08:49:41 1994",
    ] {
        let busy = Step::status(503)
            .header("retry-after", date)
            .header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let (peer, client) = peer([busy, Step::status(204)]).await;
        call(&client, &Method::POST).await.unwrap();
        assert_eq!(millis(&peer.attempts()), [0, 4000], "{date}");
    }
    // Without the peer's clock, it is compared with the caller's.
    let busy = Step::status(503).header("retry-after", "Sun, 06 Nov 1994 08:49:41 GMT");
    let peer = Upstream::start([busy, Step::status(204)]).await;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_776);
    let policy = RetryPolicy::new()
        .with_jitter(civic_client::Jitter::None)
        .with_clock(move || now);
    let client = exact(&peer.url()).retry(policy).build().unwrap();
    call(&client, &Method::POST).await.unwrap();
    assert_eq!(millis(&peer.attempts()), [0, 5000]);
}

#[tokio::test(start_paused = true)]
async fn no_retry_after_of_a_peer_can_overflow_the_callers_clock() {
    for value in [
        "99999999999999999999999",
        "18446744073709551615",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ] {
        for status in [429, 503, 500] {
            let (_peer, client) = peer([Step::status(status).header("retry-after", value)]).await;
            let error = call(&client, &Method::GET).await.unwrap_err();
            let wait = error.retry_after().expect("a pause");
            assert_eq!(wait, Duration::from_secs(86_400), "{value}");
            assert!(Instant::now() + wait > Instant::now());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_deadline_waits_for_a_pause_that_ends_before_it() {
    let busy = Step::status(503).header("retry-after", "60");
    let (patient, client) = peer([busy.clone(), Step::status(204)]).await;
    ends(client.post("/").deadline(Duration::from_secs(61)).send())
        .await
        .unwrap();
    assert_eq!(millis(&patient.attempts()), [0, 60_000]);

    let (hasty, client) = peer([busy]).await;
    let request = client.post("/").deadline(Duration::from_secs(60));
    let error = ends(request.send()).await.unwrap_err();
    assert_eq!(
        (hasty.attempts().len(), error.elapsed()),
        (1, Duration::ZERO)
    );
    assert_eq!(error.not_retried(), Some(NotRetried::RetryAfterTooLong));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_ten_lines_per_second_and_peer_and_the_next_says_how_many_are_missing() {
    let capture = Capture::start();
    let (_peer, client) = peer([Step::status(500)]).await;
    let calls = (0..40).map(|_| ends(client.get("/").retries(1).send()));
    let calls: Vec<_> = calls.map(Box::pin).collect();
    for call in calls {
        call.await.unwrap_err();
    }
    let lines = capture.events();
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| line.target == "civic_client::retry")
        .collect();
    // Two calls per second are no outage: every line is there.
    assert_eq!(lines.len(), 40);

    let burst = (0..40).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { ends(client.get("/").retries(1).send()).await })
    });
    let burst: Vec<_> = burst.collect();
    for call in burst {
        call.await.unwrap().unwrap_err();
    }
    let count = capture
        .events()
        .iter()
        .filter(|line| line.target == "civic_client::retry")
        .count();
    assert!((50..=60).contains(&count), "{count}");
}

#[tokio::test]
async fn a_client_of_a_marked_request_is_still_a_client() {
    // The mark adds nothing to a call that succeeds.
    let (peer, client) = peer([Step::envelope("1")]).await;
    let answer: u32 = marked("9").scope(client.get("/").fetch()).await.unwrap();
    assert_eq!(answer, 1);
    assert_eq!(peer.attempts()[0].header("x-retry-attempt"), Some("9"));
    let _: &ServiceClient = &client_of(&peer);
}
