//! Billing: roles, the bill, the hop to assessment-roll, and what a failing peer means for the
//! caller.

use std::thread;
use std::time::{Duration, Instant};

use civic_testkit::upstream::{Step, Upstream};

use crate::support::Service;
use crate::support::http::{Answer, get, post};
use crate::support::token::user_token;

const BILLS: &str = "/api/billing/bills";
const ASSESSMENT: &str = r#"{"id":"p-7","rollNumber":"1234-567-890-12345","assessedValue":500000,"taxRate":0.01,"isExempt":false,"more":[1]}"#;

const UNAVAILABLE: &str = "A service that this one depends on is unavailable";

fn ask(billing: &Service, role: &str) -> Answer {
    post(BILLS)
        .bearer(&user_token(role))
        .header("x-correlation-id", "hop-1")
        .json(r#"{"propertyId":"p-7"}"#)
        .send(billing.address)
}

/// The peers run on the test's own runtime; the caller blocks its main thread, which is none of the
/// workers.
macro_rules! with_peer {
    ($script:expr) => {{
        let peer = Upstream::start($script).await;
        let billing = Service::billing(&peer.url());
        (peer, billing)
    }};
}

#[test]
fn a_clerk_gets_a_bill_from_the_real_roll() {
    let roll = Service::start("assessment-roll");
    let billing = Service::billing(&roll.url());
    let answer = ask(&billing, "TAX_CLERK");
    assert_eq!(answer.status, 201, "{}", answer.body);
    let body = answer.json();
    assert_eq!(body["success"], true);
    let bill = &body["data"];
    assert_eq!(bill["propertyId"], "p-7");
    assert_eq!(bill["rollNumber"], "1234-567-890-12345");
    // 500 000 at 0.012345678901234567
    assert_eq!(bill["amountCents"], 617_284);
    // The roll's numbers as Node would write them.
    assert!(
        answer
            .body
            .contains(r#""assessedValue":500000,"taxRate":0.012345678901234567,"#),
        "{}",
        answer.body
    );
    assert_eq!(answer.header("x-correlation-id"), Some("hop-1"));
}

#[test]
fn an_unknown_property_is_404() {
    let roll = Service::start("assessment-roll");
    let billing = Service::billing(&roll.url());
    post(BILLS)
        .bearer(&user_token("TAX_CLERK"))
        .json(r#"{"propertyId":"missing"}"#)
        .send(billing.address)
        .assert_error(404, "Property with ID missing not found");
}

#[test]
fn an_id_that_cannot_be_part_of_a_path_is_the_callers_mistake() {
    let roll = Service::start("assessment-roll");
    let billing = Service::billing(&roll.url());
    for id in ["..", ".", ""] {
        let answer = post(BILLS)
            .bearer(&user_token("TAX_CLERK"))
            .json(&format!(r#"{{"propertyId":"{id}"}}"#))
            .send(billing.address);
        assert_eq!(answer.status, 422, "{id}: {}", answer.body);
        assert_eq!(
            answer.json()["message"],
            "Validation failed: propertyId: this cannot be the id of a property"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_made_of_a_failed_call_says_not_to_repeat_it() {
    for step in [
        Step::status(503).header("retry-after", "0"),
        Step::status(503).header("retry-after", "60"),
        Step::status(429).header("retry-after", "60"),
        Step::status(500),
        Step::status(403),
    ] {
        let (_peer, billing) = with_peer!([step]);
        let answer = ask(&billing, "TAX_CLERK");
        assert!(answer.status >= 500, "{}", answer.body);
        assert_eq!(answer.header("x-should-retry"), Some("false"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_correlation_id_reaches_the_roll_without_the_handler_passing_it() {
    let (peer, billing) = with_peer!([Step::envelope(ASSESSMENT)]);
    assert_eq!(ask(&billing, "TAX_CLERK").status, 201);
    // A second request has an id of its own: nothing is remembered.
    let answer = post(BILLS)
        .bearer(&user_token("TAX_CLERK"))
        .json(r#"{"propertyId":"p-7"}"#)
        .send(billing.address);
    let own = answer.header("x-correlation-id").unwrap().to_owned();
    let attempts = peer.attempts();
    let seen: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt.header("x-correlation-id").unwrap())
        .collect();
    assert_eq!(seen, ["hop-1", own.as_str()]);
    assert_ne!(own, "hop-1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn billing_calls_as_a_service_and_never_with_the_callers_token() {
    let (peer, billing) = with_peer!([Step::envelope(ASSESSMENT)]);
    let clerk = user_token("TAX_CLERK");
    post(BILLS)
        .bearer(&clerk)
        .json(r#"{"propertyId":"p-7"}"#)
        .send(billing.address);
    let attempts = peer.attempts();
    let authorization = attempts[0].header("authorization").unwrap();
    assert!(authorization.starts_with("Bearer "));
    assert!(!authorization.contains(&clerk));
    assert_eq!(attempts[0].header("cookie"), None);
    assert_eq!(attempts[0].header("content-type"), None);
    assert_eq!(
        attempts[0].target,
        "/api/assessment-roll/properties/p-7/assessment"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_carries_a_token_minted_for_it() {
    let (peer, billing) = with_peer!([
        // A whole second between the attempts: a token minted once per call would show.
        Step::status(503).header("retry-after", "1"),
        Step::envelope(ASSESSMENT),
    ]);
    assert_eq!(ask(&billing, "TAX_CLERK").status, 201);
    let attempts = peer.attempts();
    assert_eq!(attempts.len(), 2);
    let [first, second] = [0, 1].map(|i| attempts[i].header("authorization").unwrap().to_owned());
    assert_ne!(first, second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bills_need_tax_clerk_or_higher() {
    let (peer, billing) = with_peer!([Step::envelope(ASSESSMENT)]);
    for role in ["READ_ONLY", "AUDITOR"] {
        let answer = ask(&billing, role);
        answer.assert_error(403, "Insufficient role permissions");
    }
    post(BILLS)
        .json(r#"{"propertyId":"p-7"}"#)
        .send(billing.address)
        .assert_error(401, "Missing authentication token");
    assert_eq!(peer.attempts().len(), 0, "the refused reached the roll");
    for role in ["COUNTER_STAFF", "TAX_CLERK", "TREASURER", "SYSTEM_ADMIN"] {
        assert_eq!(ask(&billing, role).status, 201, "{role}");
    }
    assert_eq!(peer.attempts().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_no_bill_request_never_reaches_the_roll() {
    let (peer, billing) = with_peer!([Step::envelope(ASSESSMENT)]);
    for (body, status) in [
        ("{\"propertyId\":", 400),
        ("{}", 422),
        ("[]", 422),
        ("", 400),
    ] {
        let answer = post(BILLS)
            .bearer(&user_token("TAX_CLERK"))
            .json(body)
            .send(billing.address);
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert_eq!(answer.json()["statusCode"], status);
    }
    assert_eq!(peer.attempts().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_peer_is_a_gateway_error_of_ours() {
    const UNUSABLE: &str = "A service that this one depends on has failed";
    let negative = ASSESSMENT.replace("500000", "-1");
    for (name, step, status, message) in [
        // Longer than the client waits: it gives up at once and says for how long.
        (
            "busy",
            Step::status(503).header("retry-after", "60"),
            503,
            UNAVAILABLE,
        ),
        ("refuses us", Step::status(401), 502, UNUSABLE),
        ("not our type", Step::envelope("{\"id\":5}"), 502, UNUSABLE),
        ("not valid", Step::envelope(&negative), 502, UNUSABLE),
        ("not json", Step::json("<html>"), 502, UNUSABLE),
        (
            "soft failure",
            Step::json(
                r#"{"success":false,"message":"no","timestamp":"2026-01-01T00:00:00.000Z"}"#,
            ),
            502,
            UNUSABLE,
        ),
    ] {
        let (_peer, billing) = with_peer!([step]);
        let answer = ask(&billing, "TAX_CLERK");
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
        answer.assert_error(status, message);
    }
}

#[test]
fn billing_is_ready_while_its_peer_answers() {
    let roll = Service::start("assessment-roll");
    let billing = Service::billing(&roll.url());
    // The last answer is good for a second, and a peer that a busy machine keeps from answering in
    // time is not ready.
    let until = |status: u16| {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let ready = get("/health/ready").send(billing.address);
            if ready.status == status {
                return ready.json();
            }
            assert!(Instant::now() < deadline, "{}", ready.body);
            thread::yield_now();
        }
    };
    assert_eq!(until(200)["info"]["assessment-roll"]["status"], "up");
    drop(roll);
    assert_eq!(until(503)["error"]["assessment-roll"]["status"], "down");
    assert_eq!(get("/health").send(billing.address).status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_down_is_503() {
    let nobody = Upstream::refusing().await;
    let billing = Service::billing(&format!("http://{nobody}"));
    ask(&billing, "TAX_CLERK").assert_error(503, UNAVAILABLE);
    // The log says which one, and why.
    billing.wait_for_log("Connection refused");
}
