//! A captured request that is sent again: to the replica that has served it, and to another one.

use std::process::Command;
use std::time::Duration;

use civic_auth::{Secret, TokenMinter};
use civic_client::ServiceClient;
use civic_testkit::proxy::{Fault, FaultProxy};
use civic_testkit::redis::RedisServer;
use civic_testkit::upstream::{Step, Upstream};
use serde_json::json;

use crate::support::http::{Answer, post};
use crate::support::token::{HOUR, mint, user};
use crate::support::{SECRET, Service, billing, run};

const BILLS: &str = "/api/billing/bills";
const ASSESSMENT: &str = r#"{"id":"p-7","rollNumber":"1234-567-890-12345","assessedValue":500000,"taxRate":0.01,"isExempt":false}"#;

/// How many requests are captured, and how often each is sent again. Each is repeated at once,
/// within the 30 seconds of its token.
const CAPTURED: usize = 50;
const REPLAYS: usize = 20;

fn minter() -> TokenMinter {
    TokenMinter::new(Secret::new(SECRET).unwrap())
        .with_issuer("counter")
        .with_token_ids()
}

fn protected(roll: &Upstream, redis: &RedisServer, on_outage: &str) -> Command {
    let mut command = billing(&roll.url());
    command
        .env("REDIS_URL", redis.url())
        .env("CIVIC_REPLAY_PROTECTION", on_outage);
    command
}

/// Sends the very same request, as someone who has captured it does.
fn send(service: &Service, token: &str) -> Answer {
    post(BILLS)
        .bearer(token)
        .json(r#"{"propertyId":"p-7"}"#)
        .send(service.address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_replays_of_captured_requests_to_two_replicas_none_is_executed() {
    let roll = Upstream::start([Step::envelope(ASSESSMENT)]).await;
    let redis = RedisServer::start().await;
    let replicas =
        [(); 2].map(|()| Service::spawn(protected(&roll, &redis, "refuse")));
    let minter = minter();
    for number in 0..CAPTURED {
        let token = minter.mint().as_str().to_owned();
        let first = send(&replicas[number % 2], &token);
        assert_eq!(first.status, 201, "{}", first.body);
        // Several at a time, to both.
        std::thread::scope(|scope| {
            for replica in &replicas {
                scope.spawn(|| {
                    for _ in 0..REPLAYS / 2 {
                        send(replica, &token).assert_error(401, "Invalid or expired token");
                    }
                });
            }
        });
    }
    assert_eq!(roll.attempts().len(), CAPTURED, "each was executed once");

    // Without the protection, each would have been executed.
    let mut command = billing(&roll.url());
    command.env("REDIS_URL", redis.url());
    let open = Service::spawn(command);
    let token = minter.mint().as_str().to_owned();
    for _ in 0..3 {
        assert_eq!(send(&open, &token).status, 201);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_request_that_is_sent_to_both_replicas_at_once_one_is_executed() {
    let roll = Upstream::start([Step::envelope(ASSESSMENT)]).await;
    let redis = RedisServer::start().await;
    let replicas = [(); 2].map(|()| Service::spawn(protected(&roll, &redis, "refuse")));
    let minter = minter();
    for round in 1..=10 {
        let token = minter.mint().as_str().to_owned();
        let created = std::thread::scope(|scope| {
            let sent: Vec<_> = replicas
                .iter()
                .chain(&replicas)
                .map(|replica| scope.spawn(|| send(replica, &token).status))
                .collect();
            let statuses = sent.into_iter().map(|sent| sent.join().unwrap());
            statuses
                .inspect(|status| assert!(matches!(status, 201 | 401), "{status}"))
                .filter(|status| *status == 201)
                .count()
        });
        assert_eq!(created, 1, "round {round}");
        assert_eq!(roll.attempts().len(), round);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_retries_of_a_client_are_no_replays_and_a_user_may_call_again() {
    let roll = Upstream::start([Step::envelope(ASSESSMENT)]).await;
    let redis = RedisServer::start().await;
    let service = Service::spawn(protected(&roll, &redis, "refuse"));
    let proxy = FaultProxy::start(service.address).await;
    let client = ServiceClient::builder(&format!("http://{}", proxy.addr()))
        .minter(minter())
        .retries(9)
        .build()
        .unwrap();
    // The first attempt is executed, and its answer lost: its token is used up.
    proxy.set(Fault::DropReply);
    let call = tokio::spawn(async move {
        let call = client.post(BILLS).json(&json!({ "propertyId": "p-7" }));
        call.idempotency_key("lost").send().await
    });
    while proxy.injected().replies_lost < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.set(Fault::Pass);
    let answer = call.await.unwrap().expect("the retry has a new token");
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["idempotency-replayed"], "true");
    assert_eq!(roll.attempts().len(), 1);

    let clerk = mint(&user("TAX_CLERK"), HOUR);
    for _ in 0..3 {
        assert_eq!(send(&service, &clerk).status, 201);
    }
    // Nor is a token without an id remembered: Node services mint no other.
    let node = TokenMinter::new(Secret::new(SECRET).unwrap()).mint();
    for _ in 0..3 {
        assert_eq!(send(&service, node.as_str()).status, 201);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_store_the_operators_choice_decides() {
    let roll = Upstream::start([Step::envelope(ASSESSMENT)]).await;
    let mut redis = RedisServer::start().await;
    let [refusing, accepting] =
        ["refuse", "accept"].map(|choice| Service::spawn(protected(&roll, &redis, choice)));
    let minter = minter();
    let fresh = || minter.mint().as_str().to_owned();
    assert_eq!(send(&refusing, &fresh()).status, 201);
    assert_eq!(send(&accepting, &fresh()).status, 201);
    redis.kill();
    let refused = send(&refusing, &fresh());
    refused.assert_error(503, "Authentication is not available");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("x-should-retry"), None);
    assert_eq!(roll.attempts().len(), 2, "it was not executed");
    assert_eq!(send(&accepting, &fresh()).status, 201);
    refusing.wait_for_log("requests are refused with 503");
    accepting.wait_for_log("let in although it is not known");
    // Those that need no memory are served all the same.
    let clerk = mint(&user("TAX_CLERK"), HOUR);
    assert_eq!(send(&refusing, &clerk).status, 201);
}

#[test]
fn a_choice_that_is_none_stops_the_start_and_says_which_there_are() {
    let mut command = billing("http://127.0.0.1:1");
    command.env("CIVIC_REPLAY_PROTECTION", "maybe");
    let finished = run(&mut command);
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.contains("`refuse` or `accept`"), "{}", finished.stderr);
    assert!(!finished.stderr.contains("maybe"));
    assert_eq!(finished.stdout, "");
}
