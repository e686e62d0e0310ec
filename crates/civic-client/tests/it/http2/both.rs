//! What holds over HTTP/1.1 and over HTTP/2 alike.

use std::time::Duration;

use civic_auth::CorrelationId;
use civic_client::{
    Error, ErrorKind, NotRetried, Phase, RetryScope, ServiceClient, ServiceClientBuilder,
};
use civic_testkit::upstream::{Step, Upstream};
use http::Method;
use tokio::time::Instant;

use crate::support::http2::{Relay, assuming};
use crate::support::{call, ends, exact, millis, same_on_all};

const SECOND: Duration = Duration::from_secs(1);

/// A peer that is spoken to over one version of HTTP.
struct Peer {
    upstream: Upstream,
    client: ServiceClient,
    version: &'static str,
    _relay: Option<Relay>,
}

/// Two peers that do the same, spoken to over HTTP/1.1 and HTTP/2 by clients with these settings.
async fn both(
    script: &[Step],
    settings: impl Fn(ServiceClientBuilder) -> ServiceClientBuilder,
) -> [Peer; 2] {
    let first = Upstream::start(script.to_vec()).await;
    let second = Upstream::start(script.to_vec()).await;
    let relay = Relay::start(&second).await;
    [
        Peer {
            client: settings(exact(&first.url())).build().unwrap(),
            upstream: first,
            version: "HTTP/1.1",
            _relay: None,
        },
        Peer {
            client: settings(assuming(&relay.url())).build().unwrap(),
            upstream: second,
            version: "HTTP/2",
            _relay: Some(relay),
        },
    ]
}

const fn as_it_is(builder: ServiceClientBuilder) -> ServiceClientBuilder {
    builder
}

#[tokio::test(start_paused = true)]
async fn attempts_carry_one_correlation_id_one_key_and_their_number_and_wait_as_long() {
    let script = [Step::status(503), Step::status(503), Step::status(204)];
    for peer in both(&script, |builder| {
        builder.retry_scope(RetryScope::AllMethods)
    })
    .await
    {
        call(&peer.client, &Method::POST).await.unwrap();
        let attempts = peer.upstream.attempts();
        assert_eq!(millis(&attempts), [0, 500, 1500], "{}", peer.version);
        same_on_all(&attempts, "x-correlation-id");
        same_on_all(&attempts, "idempotency-key");
        assert_eq!(attempts[0].header("x-retry-attempt"), None);
        assert_eq!(attempts[2].header("x-retry-attempt"), Some("2"));
        assert_eq!(attempts[0].body, attempts[2].body);
    }
}

#[tokio::test(start_paused = true)]
async fn the_rows_of_the_retry_table_hold() {
    let rows = [
        (Step::status(500), 3, 1),
        (Step::status(503), 3, 1),
        (Step::status(503).header("retry-after", "1"), 3, 3),
        (Step::status(429).header("retry-after", "1"), 3, 3),
        (Step::status(429), 1, 1),
        (Step::status(404), 1, 1),
        (Step::status(501), 1, 1),
        (Step::hang(), 3, 1),
        (Step::truncated_body("{"), 3, 1),
        (Step::reset_in_body("{"), 3, 1),
        (Step::hang_in_body(), 3, 1),
        (Step::json("{"), 1, 1),
    ];
    for (step, gets, posts) in rows {
        for (method, expected) in [(Method::GET, gets), (Method::POST, posts)] {
            for peer in both(std::slice::from_ref(&step), as_it_is).await {
                let request = peer.client.request(method.clone(), "/");
                let error = ends(request.fetch::<u32>()).await.unwrap_err();
                let attempts = peer.upstream.attempts().len();
                let row = format!("{step:?} {method} {}: {error}", peer.version);
                assert_eq!(attempts, expected, "{row}");
                assert_eq!(error.attempts() as usize, expected, "{row}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_covers_the_body_and_says_its_phase() {
    for (step, phase) in [
        (Step::hang(), Phase::Waiting),
        (Step::hang_in_body(), Phase::Body),
        (Step::drip("12345", 4 * SECOND), Phase::Body),
    ] {
        for peer in both(&[step], |builder| builder.retries(0)).await {
            let error = peer.client.get("/").fetch::<u32>();
            let error = ends(error).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{}", peer.version);
            assert_eq!(error.phase(), Some(phase), "{}", peer.version);
            assert_eq!(error.elapsed(), 10 * SECOND, "{}", peer.version);
            peer.upstream.abandoned(1).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_call_and_its_peer_is_told_how_long_there_is() {
    for peer in both(&[Step::hang()], as_it_is).await {
        let request = peer.client.get("/").deadline(4 * SECOND);
        let error = ends(request.send()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deadline, "{}", peer.version);
        assert_eq!(error.elapsed(), 4 * SECOND);
        let attempts = peer.upstream.attempts();
        assert_eq!(attempts[0].header("x-request-timeout-ms"), Some("4000"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_takes_its_attempt_along() {
    for peer in both(&[Step::hang()], as_it_is).await {
        let request = peer.client.post("/").json(&true).send();
        assert!(tokio::time::timeout(SECOND, request).await.is_err());
        peer.upstream.abandoned(1).await;
        assert_eq!(peer.upstream.attempts().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_has_a_cap_and_one_over_it_is_not_asked_for_again() {
    for peer in both(&[Step::json("12345")], |builder| builder.max_body(4)).await {
        let error = peer.client.get("/").fetch::<u32>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BodyTooLarge, "{}", peer.version);
        assert_eq!(peer.upstream.attempts().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_an_idle_time_and_its_head_is_retried() {
    let script = [Step::status(502), Step::hang_in_body()];
    for peer in both(&script, as_it_is).await {
        let id = CorrelationId::parse("of-the-stream").unwrap();
        let request = peer.client.get("/").correlation_id(id.clone());
        let mut answer = request.send_stream().await.unwrap();
        assert_eq!(answer.correlation_id(), Some(&id));
        assert_eq!(answer.attempts(), 2, "{}", peer.version);
        assert!(answer.chunk().await.unwrap().is_some());
        let start = Instant::now();
        let error = ends(answer.chunk()).await.unwrap_err();
        assert_eq!(start.elapsed(), 10 * SECOND);
        assert_eq!(error.kind(), ErrorKind::Timeout, "{}", peer.version);
        assert_eq!(error.not_retried(), Some(NotRetried::Begun));
        peer.upstream.abandoned(1).await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_of_the_stream() {
    for step in [Step::truncated_body("12345"), Step::reset_in_body("12345")] {
        for peer in both(&[step], as_it_is).await {
            let mut answer = peer.client.get("/").send_stream().await.unwrap();
            let error: Error = loop {
                match answer.chunk().await {
                    Ok(chunk) => assert!(chunk.is_some(), "it never looks complete"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::Transport, "{}", peer.version);
            assert_eq!(error.not_retried(), Some(NotRetried::Begun));
            assert_eq!(peer.upstream.attempts().len(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_page_by_page_and_a_page_that_fails_comes_again() {
    let page = |items: &str, number: u32, has_next: bool| {
        Step::json(format!(
            r#"{{"items":{items},"pagination":{{"page":{number},"limit":2,"totalItems":3,"totalPages":2,"hasNextPage":{has_next},"hasPreviousPage":{}}}}}"#,
            !has_next
        ))
    };
    let script = [
        page("[1,2]", 1, true),
        Step::status(503),
        page("[3]", 2, false),
    ];
    for peer in both(&script, as_it_is).await {
        let mut pages = peer.client.get("/").pages::<u32>().limit(2);
        let mut items = Vec::new();
        while let Some(page) = pages.next().await {
            items.extend(page.unwrap().into_items());
        }
        assert_eq!(items, [1, 2, 3], "{}", peer.version);
    }
}

#[cfg(feature = "gzip")]
#[tokio::test(start_paused = true)]
async fn a_compressed_answer_is_decompressed() {
    use std::io::Write as _;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"[1,2,3]").unwrap();
    let step = Step::json(encoder.finish().unwrap()).header("content-encoding", "gzip");
    for peer in both(&[step], ServiceClientBuilder::gzip).await {
        let fetched: Vec<u32> = peer.client.get("/").fetch().await.unwrap();
        assert_eq!(fetched, [1, 2, 3], "{}", peer.version);
        let attempts = peer.upstream.attempts();
        assert_eq!(attempts[0].header("accept-encoding"), Some("gzip"));
    }
}
