//! `civic-fleet call`: what scripts rely on, exit codes and JSON.

use civic_testkit::upstream::{Step, Upstream};
use serde_json::{Value, json};

use crate::support::{Finished, Service, fleet, run};

const ENVELOPE: &str = r#"{"n":1e+21,"text":"é \" \\"}"#;

fn call(arguments: &[&str]) -> Finished {
    run(&mut fleet(&[&["call"], arguments].concat()))
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

#[test]
fn a_success_is_the_unwrapped_payload_on_one_line_and_exit_code_0() {
    let service = Service::start("conformance");
    let url = format!("{}/api/assessment-roll", service.url());
    for (path, payload) in [
        ("/null", "null"),
        ("/number", "42"),
        ("/boolean", "false"),
        ("/string", "\"a plain string — ünïcödé\""),
        (
            "/looks-like-envelope",
            r#"{"success":true,"data":{"inner":1},"timestamp":"inner"}"#,
        ),
        (
            "/unwrapped",
            r#"{"id":"raw-1","note":"sent without an envelope","value":7}"#,
        ),
        ("/empty", "null"),
    ] {
        let finished = call(&["GET", &format!("{url}{path}")]);
        assert_eq!(finished.code, Some(0), "{path}: {}", finished.stderr);
        assert_eq!(finished.stdout, format!("{payload}\n"), "{path}");
        assert_eq!(finished.stderr, "", "{path}");
    }
    let finished = call(&["DELETE", &format!("{url}/properties/p-1")]);
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(0), "null\n")
    );
}

#[test]
fn numbers_and_member_order_come_out_as_the_peer_wrote_them() {
    let service = Service::start("assessment-roll");
    let url = format!(
        "{}/api/assessment-roll/properties/prop-001/assessment",
        service.url()
    );
    let recorded: Value = serde_json::from_str(include_str!("data/node_responses.json")).unwrap();
    let body = recorded["responses"][0]["body"].as_str().unwrap();
    let payload = body
        .strip_prefix(r#"{"success":true,"data":"#)
        .and_then(|rest| rest.rsplit_once(r#","timestamp""#))
        .unwrap()
        .0;
    let finished = call(&["GET", &url]);
    assert_eq!(finished.stdout, format!("{payload}\n"));
}

#[test]
fn a_refusal_is_exit_code_1_and_says_what_the_peer_said() {
    let service = Service::start("conformance");
    let url = format!("{}/api/assessment-roll", service.url());
    let failed = failure(&call(&[
        "GET",
        &format!("{url}/properties/missing/assessment"),
        "--correlation-id",
        "call-1",
    ]));
    assert_eq!(failed["kind"], "status");
    assert_eq!(failed["status"], 404);
    assert_eq!(failed["attempts"], 1);
    assert_eq!(failed["correlationId"], "call-1");
    assert_eq!(failed["retryAfterMs"], Value::Null);
    assert_eq!(failed["message"], "Property with ID missing not found");

    let failed = failure(&call(&["GET", &format!("{url}/soft-failure")]));
    assert_eq!(failed["kind"], "refused");
    assert_eq!(failed["status"], 200);
    assert_eq!(failed["message"], "Assessment roll is being recomputed");

    let failed = failure(&call(&["GET", &format!("{url}/problem")]));
    assert_eq!(failed["status"], 409);
}

#[test]
fn the_query_and_the_path_reach_the_peer_as_given() {
    let service = Service::start("assessment-roll");
    let url = format!("{}/api/assessment-roll", service.url());
    let finished = call(&["GET", &format!("{url}/properties?page=3")]);
    let page: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(page["page"], 3);
    let finished = call(&["GET", &format!("{url}/properties/..%2Fx%3Fy/assessment")]);
    let assessment: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(assessment["id"], "../x?y");
}

#[test]
fn a_body_is_sent_as_it_was_given() {
    let service = Service::start("assessment-roll");
    let url = format!(
        "{}/api/assessment-roll/properties/p-1/supplementary",
        service.url()
    );
    for body in [ENVELOPE, "0", "false", "\"\"", "null"] {
        let finished = call(&["POST", &url, body, "--idempotency-key", "k-9"]);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(
            finished.stdout.contains(&format!("\"received\":{body},")),
            "{}",
            finished.stdout
        );
        let echo: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(echo["idempotencyKey"], "\"k-9\"");
    }
}

#[test]
fn mistakes_on_the_command_line_are_exit_code_2() {
    let url = "http://127.0.0.1:9";
    for arguments in [
        &["GET"][..],
        &["GET", "/relative"],
        &["POST", url, "{not json"],
        &["GET", url, "--correlation-id", "no spaces please"],
        &["GET", url, "--retries", "-1"],
    ] {
        let finished = call(arguments);
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:?}");
        assert_eq!(finished.stdout, "");
    }
    let finished = run(fleet(&["call", "GET", url]).env_remove("JWT_SECRET"));
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("JWT_SECRET"));
}

#[test]
fn a_url_that_no_client_can_use_is_a_failure_in_json() {
    for url in [
        "https://localhost:1/x",
        "ftp://localhost/x",
        "http://h:99999/x",
    ] {
        let failed = failure(&call(&["GET", url]));
        assert_eq!(failed["kind"], "config", "{url}");
        assert_eq!(failed["attempts"], 0);
    }
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
    // One line an attempt, then the failure.
    assert_eq!(finished.stderr.lines().count(), 4, "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verbose_prints_one_line_an_attempt() {
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

    let failed = failure(&call(&["GET", &url, "--deadline-ms", "100"]));
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
        run(fleet(&["call", "GET", &url, "--verbose", "--retries", "0"]).env("RUST_LOG", "trace"));
    failure(&finished);
    let attempts = peer.attempts();
    let token = attempts[0].header("authorization").unwrap();
    let signature = token.rsplit('.').next().unwrap();
    assert!(!finished.stderr.contains(signature));
    assert!(finished.stderr.lines().count() > 5, "there was a log");
}
