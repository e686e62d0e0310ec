//! Structure always counts; rules beyond it count unless the client only warns.

use std::process::Command;

use civic_client::{ErrorKind, NotRetried, ServiceClient, Validation};
use civic_testkit::log::Capture;
use civic_testkit::upstream::{Step, Upstream};
use garde::Validate;
use serde::Deserialize;

use crate::support::{client_of, exact, peer};

#[derive(Debug, Deserialize, PartialEq, Validate)]
struct Owner {
    #[garde(length(min = 5))]
    name: String,
    #[garde(inner(length(max = 2)))]
    tags: Vec<String>,
}

const BROKEN: &str = r#"{"name":"Zoë","tags":["ok","secret-tag"]}"#;

#[tokio::test]
async fn a_broken_rule_is_an_error_where_rules_are_enforced() {
    let (peer, client) = peer([Step::envelope(BROKEN)]).await;
    let error = client
        .get("/")
        .fetch_validated::<Owner>()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert_eq!(error.status().unwrap(), 200);
    assert_eq!(error.not_retried(), Some(NotRetried::NotRetryable));
    assert_eq!((error.attempts(), peer.attempts().len()), (1, 1));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.contains("name") && cause.contains("tags[1]"),
        "{cause}"
    );
    let answer = client.get("/").send().await.unwrap();
    let error = answer.json_validated::<Owner>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    // Without the rules it is a value.
    assert_eq!(client.get("/").fetch::<Owner>().await.unwrap().name, "Zoë");
}

#[tokio::test]
async fn a_broken_rule_is_logged_without_values_where_it_only_warns() {
    let capture = Capture::start();
    let peer = Upstream::start([Step::envelope(BROKEN)]).await;
    let client = exact(&peer.url())
        .validation(Validation::Warn)
        .build()
        .unwrap();
    let owner: Owner = client
        .get("/owners/{id}")
        .param("id", "id-7")
        .fetch_validated()
        .await
        .unwrap();
    assert_eq!(owner.name, "Zoë");
    let log = capture.text();
    for said in [
        "breaks the rules of its type",
        "name: ",
        "tags[1]: ",
        "/owners/{id}",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    for unsaid in ["Zoë", "secret-tag"] {
        assert!(!log.contains(unsaid), "{unsaid}: {log}");
    }
}

/// A page of two owners, of which the second breaks a rule.
fn page() -> Step {
    let items = format!(r#"[{{"name":"long enough","tags":[]}},{BROKEN}]"#);
    let pagination = r#"{"page":1,"limit":100,"totalItems":2,"totalPages":1,"hasNextPage":false,"hasPreviousPage":false}"#;
    Step::envelope(&format!(r#"{{"items":{items},"pagination":{pagination}}}"#))
}

#[tokio::test]
async fn the_items_of_a_page_keep_their_rules_where_rules_are_enforced() {
    let (peer, client) = peer([page()]).await;
    let mut pages = client.get("/").pages_validated::<Owner>();
    for asked in 1..=2 {
        let error = pages.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert_eq!(error.not_retried(), Some(NotRetried::NotRetryable));
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            cause.contains("[1].name") && cause.contains("[1].tags[1]"),
            "{cause}"
        );
        assert!(!cause.contains("[0]"), "{cause}");
        assert_eq!(peer.attempts().len(), asked, "the page comes again");
    }
    // Without the rules they are values.
    let mut pages = client.get("/").pages::<Owner>();
    assert_eq!(pages.next().await.unwrap().unwrap().items().len(), 2);
    let behind = client.get("/").pages_validated::<Owner>().starting_at(2);
    assert_eq!(behind.next_page(), 2);
}

#[tokio::test]
async fn a_page_whose_items_break_rules_is_logged_once_and_without_values_where_it_only_warns() {
    let capture = Capture::start();
    let peer = Upstream::start([page()]).await;
    let client = exact(&peer.url()).validation(Validation::Warn);
    let client = client.build().unwrap();
    let mut pages = client.get("/owners").pages_validated::<Owner>();
    assert_eq!(pages.next().await.unwrap().unwrap().items().len(), 2);
    assert!(pages.next().await.is_none());
    let log = capture.text();
    assert_eq!(log.matches("breaks the rules of its type").count(), 1);
    for said in ["[1].name: ", "[1].tags[1]: ", "/owners"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    for unsaid in ["Zoë", "secret-tag"] {
        assert!(!log.contains(unsaid), "{unsaid}: {log}");
    }
}

#[tokio::test]
async fn structure_counts_in_either_mode() {
    let peer = Upstream::start([Step::envelope(r#"{"name":"long enough"}"#)]).await;
    let client = exact(&peer.url())
        .validation(Validation::Warn)
        .build()
        .unwrap();
    let error = client
        .get("/")
        .fetch_validated::<Owner>()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
}

#[tokio::test]
async fn a_call_may_choose_otherwise_than_its_client() {
    let peer = Upstream::start([Step::envelope(BROKEN)]).await;
    let strict = client_of(&peer);
    strict
        .get("/")
        .validation(Validation::Warn)
        .fetch_validated::<Owner>()
        .await
        .unwrap();
    let lax = exact(&peer.url())
        .validation(Validation::Warn)
        .build()
        .unwrap();
    let error = lax
        .get("/")
        .validation(Validation::Enforce)
        .fetch_validated::<Owner>()
        .await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Validation);
}

#[tokio::test]
async fn an_optional_value_is_validated_when_it_is_there() {
    let script = [
        Step::status(404).with_json(r#"{"statusCode":404,"message":"no such owner"}"#),
        Step::envelope("null"),
        Step::envelope(BROKEN),
    ];
    let (_peer, client) = peer(script).await;
    for _ in 0..2 {
        let none = client
            .get("/")
            .fetch_optional_validated::<Owner>()
            .await
            .unwrap();
        assert_eq!(none, None);
    }
    let error = client
        .get("/")
        .fetch_optional_validated::<Owner>()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
}

/// What a client does that was not told, in the environment of this process.
#[tokio::test]
async fn a_client_that_was_not_told_goes_by_node_env() {
    let peer = Upstream::start([Step::envelope(BROKEN)]).await;
    let client = ServiceClient::builder(&peer.url())
        .anonymous()
        .build()
        .unwrap();
    let result = client.get("/").fetch_validated::<Owner>().await;
    let production = std::env::var_os("NODE_ENV").is_some_and(|value| value == "production");
    assert_eq!(result.is_ok(), production, "{result:?}");
}

#[test]
fn in_production_and_only_there_a_client_warns_by_default() {
    for value in ["production", "Production", "development"] {
        // A process of its own, because no test may change its environment: it is unsafe.
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "validation::a_client_that_was_not_told_goes_by_node_env",
            ])
            .env("NODE_ENV", value)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && said.contains("1 passed"),
            "{value}: {said}"
        );
    }
}
