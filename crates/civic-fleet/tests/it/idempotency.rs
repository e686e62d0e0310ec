//! One bill per `Idempotency-Key`, whatever happens to the replies.

use std::collections::HashSet;
use std::time::Duration;

use civic_auth::{Role, Secret, TokenMinter, UserClaims};
use civic_client::{PeerMemory, ServiceClient};
use civic_testkit::proxy::{Fault, FaultProxy};
use civic_testkit::redis::RedisServer;
use civic_testkit::upstream::{Step, Upstream};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::http::{Answer, post};
use crate::support::token::{HOUR, mint, user};
use crate::support::{SECRET, Service, billing};

const BILLS: &str = "/api/billing/bills";
const ASSESSMENT: &str = r#"{"id":"p-7","rollNumber":"1234-567-890-12345","assessedValue":500000,"taxRate":0.01,"isExempt":false}"#;

/// Posts and replies that are lost at the same time: as many as a busy machine serves within a
/// command timeout.
const BATCH: usize = 50;
const BATCHES: usize = 20;

fn ask(service: &Service, token: &str, key: &str, property: &str) -> Answer {
    post(BILLS)
        .bearer(token)
        .header("idempotency-key", key)
        .json(&json!({ "propertyId": property }).to_string())
        .send(service.address)
}

fn bill_id(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = answer.json()["data"]["billId"].clone();
    id.as_str().expect("a bill has an id").to_owned()
}

fn issued_by(issuer: &str) -> String {
    let minter = TokenMinter::new(Secret::new(SECRET).unwrap()).with_issuer(issuer);
    minter.mint().as_str().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bill_is_made_once_per_key_and_its_answer_is_given_again() {
    let roll = Upstream::start([Step::envelope(ASSESSMENT)]).await;
    let service = Service::billing(&roll.url());
    let clerk = mint(&user("TAX_CLERK"), HOUR);
    let first = ask(&service, &clerk, "\"once-1\"", "p-7");
    let again = ask(&service, &clerk, "once-1", "p-7");
    assert_eq!(bill_id(&first), bill_id(&again));
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(roll.attempts().len(), 1);
    // Each answer has the envelope and the id of its own request.
    assert_eq!(again.json()["success"], true);
    assert_ne!(
        first.header("x-correlation-id"),
        again.header("x-correlation-id")
    );
    // A replay needs the role as a first call does.
    let auditor = mint(&user("AUDITOR"), HOUR);
    assert_eq!(ask(&service, &auditor, "once-1", "p-7").status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bill_crosses_over_to_another_service_or_municipality_or_user() {
    let roll = Upstream::start([Step::envelope(ASSESSMENT)]).await;
    let service = Service::billing(&roll.url());
    let claims = |id: &str, town: &str| {
        UserClaims::new(id, "clerk@town.example", Role::TaxClerk).with_municipality(town)
    };
    let callers = [
        issued_by("counter"),
        issued_by("portal"),
        mint(&claims("u-1", "town-1"), HOUR),
        mint(&claims("u-1", "town-2"), HOUR),
        mint(&claims("u-2", "town-1"), HOUR),
    ];
    let mut bills = HashSet::new();
    for caller in &callers {
        let first = bill_id(&ask(&service, caller, "shared", "p-7"));
        assert_eq!(bill_id(&ask(&service, caller, "shared", "p-7")), first);
        assert!(bills.insert(first), "a bill of another caller");
        // The same key with another body.
        let other = ask(&service, caller, "shared", "p-8");
        assert_eq!(other.status, 422, "{}", other.body);
        assert_eq!(other.json()["error"], "idempotency_key_reused");
    }
    assert_eq!(roll.attempts().len(), callers.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bill_that_was_not_made_may_be_asked_for_again_with_the_same_key() {
    let roll = Upstream::start([
        Step::status(404).with_json(
            r#"{"statusCode":404,"message":"Property with ID p-7 not found","correlationId":"c","timestamp":"2026-01-01T00:00:00.000Z"}"#,
        ),
        Step::envelope(ASSESSMENT),
    ])
    .await;
    let service = Service::billing(&roll.url());
    let clerk = mint(&user("TAX_CLERK"), HOUR);
    assert_eq!(ask(&service, &clerk, "later", "p-7").status, 404);
    bill_id(&ask(&service, &clerk, "later", "p-7"));
    // What is wrong with the request itself stays wrong.
    for _ in 0..2 {
        let refused = ask(&service, &clerk, "wrong", "..");
        assert_eq!(refused.status, 422, "{}", refused.body);
        let id = refused.header("x-correlation-id").expect("an id");
        assert_eq!(refused.json()["correlationId"], id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bill_is_finished_and_recorded_although_its_caller_has_gone_and_the_service_stops() {
    let slow = Step::envelope(ASSESSMENT);
    let roll = Upstream::start([slow.delay(Duration::from_millis(500))]).await;
    let redis = RedisServer::start().await;
    let start = || {
        let mut command = billing(&roll.url());
        command.env("REDIS_URL", redis.url());
        Service::spawn(command)
    };
    let clerk = mint(&user("TAX_CLERK"), HOUR);
    let mut service = start();
    let call = post(BILLS)
        .bearer(&clerk)
        .header("idempotency-key", "gone")
        .json(r#"{"propertyId":"p-7"}"#);
    let connection = call.begin(service.address);
    roll.received(1).await;
    drop(connection);
    service.terminate();
    let (status, log) = service.wait();
    assert!(status.success(), "{log}");
    let again = ask(&start(), &clerk, "gone", "p-7");
    bill_id(&again);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(roll.attempts().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_posts_whose_replies_are_lost_have_a_thousand_effects_and_a_thousand_answers() {
    let roll = Upstream::start([Step::envelope(ASSESSMENT)]).await;
    let redis = RedisServer::start().await;
    let mut command = billing(&roll.url());
    command
        .env("REDIS_URL", redis.url())
        .env("RUST_LOG", "warn");
    let service = Service::spawn(command);
    let proxy = FaultProxy::start(service.address).await;
    let client = ServiceClient::builder(&format!("http://{}", proxy.addr()))
        .minter(TokenMinter::new(Secret::new(SECRET).unwrap()).with_issuer("counter"))
        .retries(9)
        .max_in_flight(BATCH)
        // The network is meant to be bad.
        .peer_memory(PeerMemory::new().without_budget())
        .build()
        .unwrap();

    let mut bills = HashSet::new();
    let mut repeated = 0;
    for batch in 1..=BATCHES {
        // Each request is executed, and its reply swallowed.
        proxy.set(Fault::DropReply);
        let mut calls = JoinSet::new();
        for number in 0..BATCH {
            let client = client.clone();
            calls.spawn(async move {
                let call = client.post(BILLS).json(&json!({ "propertyId": "p-7" }));
                call.idempotency_key(&format!("{batch}-{number}"))
                    .send()
                    .await
            });
        }
        while proxy.injected().replies_lost < (batch * BATCH) as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        proxy.set(Fault::Pass);
        while let Some(call) = calls.join_next().await {
            let answer = call
                .expect("no panic")
                .expect("every caller has its answer");
            assert_eq!(answer.status(), 201);
            repeated += usize::from(answer.headers().contains_key("idempotency-replayed"));
            let body: Value = answer.json().expect("a bill");
            let id = body["billId"].as_str().expect("a bill has an id");
            assert!(bills.insert(id.to_owned()), "two callers have one bill");
        }
    }
    assert_eq!(bills.len(), BATCH * BATCHES);
    assert_eq!(roll.attempts().len(), BATCH * BATCHES, "effects");
    // A request that a busy machine could not begin in time was not taken, and ran later.
    let all = BATCH * BATCHES;
    assert!(repeated > all * 9 / 10, "{repeated} replies were lost");
}
