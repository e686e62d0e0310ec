//! A captured request that is sent again: to the replica that has served it, and to another one.

use std::net::SocketAddr;
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
fn send(to: SocketAddr, token: &str) -> Answer {
    post(BILLS)
        .bearer(token)
        .json(r#"{"propertyId":"p-7"}"#)
        .send(to)
}

/// Sends requests, each with a token of its own, until one is executed, and returns its token. On a
/// busy machine the store may take too long, and then the request was not executed.
fn executed(to: SocketAddr) -> String {
    let minter = minter();
    loop {
        let token = minter.mint().as_str().to_owned();
        let answer = send(to, &token);
        match answer.status {
            201 => return token,
            503 => answer.assert_error(503, "Authentication is not available"),
            status => panic!("{status}: {}", answer.body),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_replays_of_captured_requests_to_two_replicas_none_is_executed() {
    let roll = Upstream::start([Step::envelope(ASSESSMENT)]).await;
    let redis = RedisServer::start().await;
    let replicas = [(); 2].map(|()| Service::spawn(protected(&roll, &redis, "refuse")));
    let addresses = replicas.each_ref().map(|replica| replica.address);
    let mut refused = 0;
    for number in 0..CAPTURED {
        let token = executed(addresses[number % 2]);
        // Several at a time, to both.
        refused += std::thread::scope(|scope| {
            let sent: Vec<_> = addresses
                .iter()
                .map(|replica| {
                    scope.spawn(|| {
                        let statuses = (0..REPLAYS / 2).map(|_| send(*replica, &token).status);
                        statuses
                            .inspect(|status| assert!(matches!(status, 401 | 503), "{status}"))
                            .filter(|status| *status == 401)
                            .count()
                    })
                })
                .collect();
            sent.into_iter()
                .map(|sent| sent.join().unwrap())
                .sum::<usize>()
        });
    }
    assert_eq!(roll.attempts().len(), CAPTURED, "each was executed once");
    assert!(
        refused > CAPTURED,
        "{refused} of {} were refused",
        CAPTURED * REPLAYS
    );

    // Without the protection, each would have been executed.
    let mut command = billing(&roll.url());
    command.env("REDIS_URL", redis.url());
    let open = Service::spawn(command);
    let token = minter().mint().as_str().to_owned();
    for _ in 0..3 {
        assert_eq!(send(open.address, &token).status, 201);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_request_that_is_sent_to_both_replicas_at_once_one_is_executed() {
    let roll = Upstream::start([Step::envelope(ASSESSMENT)]).await;
    let redis = RedisServer::start().await;
    let replicas = [(); 2].map(|()| Service::spawn(protected(&roll, &redis, "refuse")));
    let addresses = replicas.each_ref().map(|replica| replica.address);
    let minter = minter();
    let mut executed = 0;
    for round in 1..=10 {
        let token = minter.mint().as_str().to_owned();
        let created = std::thread::scope(|scope| {
            let sent: Vec<_> = addresses
                .iter()
                .chain(&addresses)
                .map(|replica| scope.spawn(|| send(*replica, &token).status))
                .collect();
            let statuses = sent.into_iter().map(|sent| sent.join().unwrap());
            statuses
                .inspect(|status| assert!(matches!(status, 201 | 401 | 503), "{status}"))
                .filter(|status| *status == 201)
                .count()
        });
        assert!(created <= 1, "round {round}");
        executed += created;
        assert_eq!(roll.attempts().len(), executed);
    }
    assert!(executed > 0);
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
    assert_eq!(roll.attempts().len(), 1);

    let clerk = mint(&user("TAX_CLERK"), HOUR);
    for _ in 0..3 {
        assert_eq!(send(service.address, &clerk).status, 201);
    }
    // Nor is a token without an id remembered: Node services mint no other.
    let node = TokenMinter::new(Secret::new(SECRET).unwrap()).mint();
    for _ in 0..3 {
        assert_eq!(send(service.address, node.as_str()).status, 201);
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
    executed(refusing.address);
    executed(accepting.address);
    redis.kill();
    let refused = send(refusing.address, &fresh());
    refused.assert_error(503, "Authentication is not available");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("x-should-retry"), None);
    assert_eq!(roll.attempts().len(), 2, "it was not executed");
    assert_eq!(send(accepting.address, &fresh()).status, 201);
    refusing.wait_for_log("requests are refused with 503");
    accepting.wait_for_log("let in although it is not known");
    // Those that need no memory are served all the same.
    let clerk = mint(&user("TAX_CLERK"), HOUR);
    assert_eq!(send(refusing.address, &clerk).status, 201);
}

#[test]
fn a_choice_that_is_none_stops_the_start_and_says_which_there_are() {
    let mut command = billing("http://127.0.0.1:1");
    command.env("CIVIC_REPLAY_PROTECTION", "maybe");
    let finished = run(&mut command);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("`refuse` or `accept`"),
        "{}",
        finished.stderr
    );
    assert!(!finished.stderr.contains("maybe"));
    assert_eq!(finished.stdout, "");
}
