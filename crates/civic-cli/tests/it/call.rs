//! `civic call`: what scripts rely on, exit codes and JSON.

use civic_testkit::upstream::{Step, Upstream};
use serde_json::{Value, json};

use crate::support::{Finished, civic, run};

const ENVELOPE: &str = r#"{"n":1e+21,"text":"é \" \\"}"#;

fn call(arguments: &[&str]) -> Finished {
    run(&mut civic(&[&["call"], arguments].concat()))
}

/// The last line on stderr of a call that failed.
#[track_caller]
fn failure(finished: &Finished) -> Value {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.stdout, "");
    let last = finished.stderr.lines().last().unwrap();
    let failed: Value = serde_json::from_str(last).unwrap();
    let members: Vec<_> = failed.as_object().unwrap().keys().collect();
    let mut expected = [
        "kind",
        "status",
        "attempts",
        "elapsedMs",
        "correlationId",
        "retryAfterMs",
        "notRetried",
        "message",
    ];
    expected.sort_unstable();
    assert_eq!(members, expected);
    failed
}

/// The peers run on the test's own runtime; the tool blocks its main thread, which is none of the
/// workers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_success_is_the_unwrapped_payload_on_one_line_and_exit_code_0() {
    for (name, step, payload) in [
        ("null", Step::envelope("null"), "null"),
        ("a number", Step::envelope("42"), "42"),
        ("a boolean", Step::envelope("false"), "false"),
        (
            "text",
            Step::envelope(r#""a plain string — ünïcödé""#),
            r#""a plain string — ünïcödé""#,
        ),
        (
            "a payload that looks like an envelope",
            Step::envelope(r#"{"success":true,"data":{"inner":1},"timestamp":"inner"}"#),
            r#"{"success":true,"data":{"inner":1},"timestamp":"inner"}"#,
        ),
        (
            "an answer without an envelope",
            Step::json(r#"{"id":"raw-1","note":"sent without an envelope","value":7}"#),
            r#"{"id":"raw-1","note":"sent without an envelope","value":7}"#,
        ),
        (
            "numbers and member order, over several lines",
            Step::envelope("{\n  \"z\": 5e-324,\n  \"a\": [1e+21, 0.012345678901234567]\n}"),
            r#"{"z":5e-324,"a":[1e+21,0.012345678901234567]}"#,
        ),
        ("an empty answer", Step::status(200), "null"),
        ("no content", Step::status(204), "null"),
    ] {
        let peer = Upstream::start([step]).await;
        let finished = call(&["GET", &format!("{}/x", peer.url())]);
        assert_eq!(finished.code, Some(0), "{name}: {}", finished.stderr);
        assert_eq!(finished.stdout, format!("{payload}\n"), "{name}");
        assert_eq!(finished.stderr, "", "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_exit_code_1_and_says_what_the_peer_said() {
    let not_found = r#"{"statusCode":404,"message":"Property with ID missing not found","correlationId":"call-1","timestamp":"2026-02-24T12:00:00.000Z"}"#;
    let peer = Upstream::start([Step::status(404).with_json(not_found)]).await;
    let url = format!("{}/properties/missing", peer.url());
    let failed = failure(&call(&["GET", &url, "--correlation-id", "call-1"]));
    assert_eq!(failed["kind"], "status");
    assert_eq!(failed["status"], 404);
    assert_eq!(failed["attempts"], 1);
    assert_eq!(failed["correlationId"], "call-1");
    assert_eq!(failed["retryAfterMs"], Value::Null);
    assert_eq!(failed["message"], "Property with ID missing not found");

    let soft = r#"{"success":false,"data":{"partial":[1,2]},"message":"Assessment roll is being recomputed","timestamp":"2026-02-24T12:00:00.000Z"}"#;
    let peer = Upstream::start([Step::json(soft)]).await;
    let failed = failure(&call(&["GET", &format!("{}/x", peer.url())]));
    assert_eq!(failed["kind"], "refused");
    assert_eq!(failed["status"], 200);
    assert_eq!(failed["message"], "Assessment roll is being recomputed");

    let problem = Step::status(409)
        .header("content-type", "application/problem+json")
        .body(r#"{"type":"about:blank","title":"Conflict","status":409}"#);
    let peer = Upstream::start([problem]).await;
    let failed = failure(&call(&["GET", &format!("{}/x", peer.url())]));
    assert_eq!(failed["status"], 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_query_and_the_path_reach_the_peer_as_given() {
    let peer = Upstream::start([Step::envelope("1")]).await;
    for (given, sent) in [
        ("", "/"),
        ("/properties?page=3", "/properties?page=3"),
        (
            "/properties/..%2Fx%3Fy/assessment",
            "/properties/..%2Fx%3Fy/assessment",
        ),
        ("/a/{id}/#fragment", "/a/%7Bid%7D/"),
    ] {
        let finished = call(&["GET", &format!("{}{given}", peer.url())]);
        assert_eq!(finished.code, Some(0), "{given}: {}", finished.stderr);
        assert_eq!(peer.attempts().last().unwrap().target, sent, "{given}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_sent_as_it_was_given() {
    let peer = Upstream::start([Step::envelope("1")]).await;
    for body in [ENVELOPE, "0", "-1", "-0.5e3", "false", "\"\"", "null"] {
        let finished = call(&["post", &peer.url(), body, "--idempotency-key", "k-9"]);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let attempts = peer.attempts();
        let sent = attempts.last().unwrap();
        assert_eq!(sent.method, "POST");
        assert_eq!(sent.body, body);
        assert_eq!(sent.header("content-type"), Some("application/json"));
        assert_eq!(sent.header("idempotency-key"), Some("\"k-9\""));
    }
}

#[test]
fn mistakes_on_the_command_line_are_exit_code_2() {
    let url = "http://127.0.0.1:9";
    for arguments in [
        &["GET"][..],
        &["GET", "/relative"],
        &["GET", &format!("{url}/?q=%FF")],
        &["POST", url, "{not json"],
        &["GET", url, "--correlation-id", "no spaces please"],
        &["GET", url, "--retries", "-1"],
    ] {
        let finished = call(arguments);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert_eq!(finished.stdout, "");
    }
    let finished = run(civic(&["call", "GET", url]).env_remove("JWT_SECRET"));
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("JWT_SECRET"));
}

#[test]
fn a_url_that_no_client_can_use_is_a_failure_in_json() {
    for url in ["ftp://localhost/x", "http://h:99999/x"] {
        let failed = failure(&call(&["GET", url]));
        assert_eq!(failed["kind"], "config", "{url}");
        assert_eq!(failed["attempts"], 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_https_url_is_spoken_to_with_tls_or_not_at_all() {
    // It answers a TLS greeting with plain HTTP.
    let peer = Upstream::start([Step::status(400)]).await;
    let url = peer.url().replace("http://", "https://");
    let failed = failure(&call(&["GET", &format!("{url}/x"), "--retries", "0"]));
    assert_eq!(failed["kind"], "connect");
    assert_eq!(peer.attempts().len(), 0, "nothing was sent in the clear");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_connection_is_tried_three_times_and_named() {
    let nobody = Upstream::refusing().await;
    let finished = call(&["POST", &format!("http://{nobody}/x"), "1", "--verbose"]);
    let failed = failure(&finished);
    assert_eq!(failed["kind"], "connect");
    assert_eq!(failed["attempts"], 3);
    assert_eq!(failed["notRetried"], "exhausted");
    assert!(failed["elapsedMs"].as_u64().unwrap() >= 1_200);
    // One line per attempt, then the failure.
    assert_eq!(finished.stderr.lines().count(), 4, "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verbose_prints_one_line_per_attempt() {
    let peer = Upstream::start([
        Step::status(503).header("retry-after", "0"),
        Step::envelope(ENVELOPE),
    ])
    .await;
    let url = format!("{}/x", peer.url());
    let finished = call(&["GET", &url, "--verbose", "--correlation-id", "v-1"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let lines: Vec<Value> = finished
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| {
            json!([
                line["attempt"],
                line["method"],
                line["status"],
                line["correlationId"]
            ])
        })
        .collect();
    assert_eq!(
        seen,
        [json!([1, "GET", 503, "v-1"]), json!([2, "GET", 200, "v-1"])]
    );
    let ids: Vec<_> = peer
        .attempts()
        .iter()
        .map(|attempt| attempt.header("x-correlation-id").unwrap().to_owned())
        .collect();
    assert_eq!(ids, ["v-1", "v-1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_decide_how_often_a_call_is_tried() {
    for (name, arguments, attempts) in [
        ("a GET is retried", &["GET"][..], 3),
        ("not with no retries", &["GET", "--retries", "0"], 1),
        ("a POST after 500 is not", &["POST"], 1),
        ("unless it is idempotent", &["POST", "--idempotent"], 3),
        ("or has a key", &["POST", "--idempotency-key", "k"], 3),
        ("or all methods are", &["POST", "--all-methods"], 3),
    ] {
        let peer = Upstream::start([Step::status(500)]).await;
        let url = format!("{}/x", peer.url());
        let mut all = vec![arguments[0], url.as_str()];
        all.extend(&arguments[1..]);
        let failed = failure(&call(&all));
        assert_eq!(failed["attempts"], attempts, "{name}");
        assert_eq!(peer.attempts().len(), attempts, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_hangs_ends_at_the_timeout_or_the_deadline() {
    let peer = Upstream::start([Step::hang()]).await;
    let url = format!("{}/x", peer.url());
    let failed = failure(&call(&[
        "GET",
        &url,
        "--timeout-ms",
        "50",
        "--retries",
        "1",
    ]));
    assert_eq!(failed["kind"], "timeout");
    assert_eq!(failed["attempts"], 2);

    // No attempt is begun with less than 50 ms left, and a busy machine can lose that much at once.
    let failed = failure(&call(&["GET", &url, "--deadline-ms", "1000"]));
    assert_eq!(failed["kind"], "deadline");
    assert_eq!(failed["attempts"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_busy_peer_asks_for_is_in_the_failure() {
    let peer = Upstream::start([Step::status(503).header("retry-after", "60")]).await;
    let failed = failure(&call(&["GET", &format!("{}/x", peer.url())]));
    assert_eq!(failed["status"], 503);
    assert_eq!(failed["retryAfterMs"], 60_000);
    assert_eq!(failed["attempts"], 1);
    assert_eq!(failed["notRetried"], "retry_after_too_long");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_is_printed_whatever_is_logged() {
    let peer = Upstream::start([Step::status(500)]).await;
    let url = format!("{}/x", peer.url());
    let finished =
        run(civic(&["call", "GET", &url, "--verbose", "--retries", "0"]).env("RUST_LOG", "trace"));
    failure(&finished);
    let attempts = peer.attempts();
    let token = attempts[0].header("authorization").unwrap();
    let signature = token.rsplit('.').next().unwrap();
    assert!(!finished.stderr.contains(signature));
    // One line for the attempt, then the failure: no library on the way logs anything of a call.
    let lines = finished.stderr.lines().count();
    assert_eq!(lines, 2, "{}", finished.stderr);
}
