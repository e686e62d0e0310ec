//! What a call looks like on the wire, and what comes back.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use civic_auth::CorrelationId;
use civic_client::{Error, ErrorKind, ServiceClient, ServiceClientBuilder};
use civic_testkit::upstream::{Attempt, Step, Upstream};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{call, exact, minter, peer};

#[derive(Debug, Deserialize, PartialEq)]
struct Property {
    id: String,
}

async fn last(peer: &Upstream) -> Attempt {
    peer.attempts().pop().unwrap()
}

#[tokio::test]
async fn ids_stay_one_path_segment_on_the_wire() {
    let (peer, client) = peer([Step::status(204)]).await;
    let request = client
        .get("/users/{id}/bills")
        .param("id", "../admin?x=1#y");
    request
        .query("page", 2)
        .query("q", "a&b")
        .send()
        .await
        .unwrap();
    assert_eq!(
        last(&peer).await.target,
        "/users/..%2Fadmin%3Fx%3D1%23y/bills?page=2&q=a%26b"
    );
}

#[tokio::test]
async fn a_call_that_cannot_be_built_sends_nothing_and_says_why() {
    let (peer, client) = peer([Step::status(204)]).await;
    let calls = [
        (client.get("/users/{id}"), "`id` is missing"),
        (client.get("/users/{id}").param("id", ""), "`id` is empty"),
        (client.get("/users/{id}").param("id", ".."), "`.` or `..`"),
        (client.get("/users").param("id", 1), "no parameter `id`"),
        (client.get("users"), "slash"),
        (client.get("/").header("bad name", "x"), "name of a header"),
        (
            client.get("/").header("x-ok", "a\r\nx-evil: b"),
            "value of header x-ok",
        ),
        (
            client.get("/").header("content-length", "0"),
            "content-length cannot be set",
        ),
        (
            client.get("/").header("transfer-encoding", "chunked"),
            "transfer-encoding cannot be set",
        ),
        (
            client.get("/").header("host", "elsewhere"),
            "host cannot be set",
        ),
        (
            client.get("/").header("keep-alive", "timeout=5"),
            "keep-alive cannot be set",
        ),
        (
            client.get("/").header("proxy-connection", "close"),
            "proxy-connection cannot be set",
        ),
        (
            client.post("/").header("expect", "100-continue"),
            "expect cannot be set",
        ),
        (client.request(Method::CONNECT, "/"), "CONNECT"),
        (client.request(Method::TRACE, "/"), "TRACE"),
        (client.get("/a%{id}").param("id", "2Fadmin"), "percent"),
        (client.get("/a%zz"), "percent"),
        (client.post("/").idempotency_key(""), "idempotency key"),
        (client.post("/").idempotency_key("a\nb"), "idempotency key"),
        (client.get("/").query("q", "x".repeat(70_000)), "too long"),
    ];
    for (request, why) in calls {
        let id = CorrelationId::parse("given").unwrap();
        let error = request.correlation_id(id.clone()).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Request, "{why}");
        assert!(error.to_string().contains(why), "{why}: {error}");
        assert_eq!((error.attempts(), error.not_retried()), (0, None), "{why}");
        assert_eq!(error.correlation_id(), Some(&id), "{why}");
    }
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn falsy_bodies_are_sent_and_content_type_goes_only_with_a_body() {
    let (peer, client) = peer([Step::status(204)]).await;
    let bodies = [
        json!(0),
        json!(false),
        json!(""),
        json!(null),
        json!({}),
        json!([]),
    ];
    for method in [
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::GET,
    ] {
        for body in &bodies {
            client
                .request(method.clone(), "/")
                .json(body)
                .send()
                .await
                .unwrap();
            let attempt = last(&peer).await;
            assert_eq!(attempt.body, body.to_string(), "{method}");
            assert_eq!(
                attempt.header("content-type"),
                Some("application/json"),
                "{method} {body}"
            );
        }
        client.request(method.clone(), "/").send().await.unwrap();
        let attempt = last(&peer).await;
        assert_eq!(attempt.method, method);
        assert_eq!(
            (attempt.header("content-type"), attempt.body.clone()),
            (None, Bytes::new()),
            "{method}"
        );
    }
}

#[tokio::test]
async fn a_body_is_taken_by_reference() {
    let (peer, client) = peer([Step::status(204)]).await;
    let body = String::from("mine");
    client.post("/").json(&body).send().await.unwrap();
    client.post("/").json(body.as_str()).send().await.unwrap();
    assert!(
        peer.attempts()
            .iter()
            .all(|attempt| attempt.body == "\"mine\"")
    );
}

#[tokio::test]
async fn every_method_is_called_as_it_is_named() {
    let (peer, client) = peer([Step::status(204)]).await;
    for request in [
        client.get("/"),
        client.post("/"),
        client.put("/"),
        client.patch("/"),
        client.delete("/"),
        client.request(Method::OPTIONS, "/"),
    ] {
        request.send().await.unwrap();
    }
    let methods: Vec<_> = peer
        .attempts()
        .iter()
        .map(|attempt| attempt.method.to_string())
        .collect();
    assert_eq!(
        methods,
        ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    );
}

#[tokio::test]
async fn a_head_request_has_an_answer_without_a_body() {
    let (_peer, client) = peer([Step::envelope("1")]).await;
    let response = client.request(Method::HEAD, "/").send_raw().await.unwrap();
    assert_eq!(response.headers()["content-length"], "64");
    assert!(response.body().is_empty());
}

const MISSING: &str = r#"{"statusCode":404,"message":"no such property"}"#;

#[tokio::test]
async fn answers_become_values_options_units_or_themselves() {
    let property = r#"{"id":"p-1"}"#;
    let script = [
        Step::envelope(property),
        Step::json(property),
        Step::envelope(property),
        Step::status(404).with_json(MISSING),
        Step::envelope("null"),
        Step::envelope(property),
        Step::status(204),
        Step::status(418).body("teapot"),
    ];
    let (_peer, client) = peer(script).await;
    let expected = Property {
        id: "p-1".to_owned(),
    };
    assert_eq!(client.get("/").fetch::<Property>().await.unwrap(), expected);
    assert_eq!(
        client.get("/").fetch::<Property>().await.unwrap(),
        expected,
        "without an envelope"
    );
    assert_eq!(
        client.get("/").fetch_optional::<Property>().await.unwrap(),
        Some(expected)
    );
    assert_eq!(
        client.get("/").fetch_optional::<Property>().await.unwrap(),
        None,
        "404"
    );
    assert_eq!(
        client.get("/").fetch_optional::<Property>().await.unwrap(),
        None,
        "null"
    );
    client.get("/").send().await.unwrap();
    client.get("/").send().await.unwrap();
    let response = client.get("/").send_raw().await.unwrap();
    assert_eq!(
        (response.status(), &response.body()[..]),
        (StatusCode::IM_A_TEAPOT, &b"teapot"[..])
    );
}

#[tokio::test]
async fn a_delete_that_found_something_can_be_told_from_one_that_did_not() {
    let script = [
        Step::status(204),
        Step::envelope("null"),
        Step::envelope(r#"{"id":"p-1"}"#),
        Step::status(404).with_json(MISSING),
    ];
    let (_peer, client) = peer(script).await;
    for found in [Some(()), Some(()), Some(()), None] {
        assert_eq!(
            client.delete("/").fetch_optional::<()>().await.unwrap(),
            found
        );
    }
}

#[tokio::test]
async fn an_optional_value_of_another_type_is_an_error_and_not_none() {
    let (_peer, client) = peer([Step::envelope("1"), Step::json("{")]).await;
    for _ in 0..2 {
        let error = client
            .get("/")
            .fetch_optional::<Property>()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
    }
}

#[tokio::test]
async fn a_404_is_an_error_where_a_value_was_promised() {
    let (_peer, client) = peer([Step::status(404)]).await;
    let error = client
        .get("/")
        .fetch::<Option<Property>>()
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::NOT_FOUND));
}

#[tokio::test]
async fn a_payload_with_its_own_success_and_data_survives() {
    let payload = r#"{"success":true,"data":[1,2],"total":10}"#;
    let (_peer, client) = peer([Step::json(payload), Step::envelope(payload)]).await;
    for _ in 0..2 {
        let value: Value = client.get("/").fetch().await.unwrap();
        assert_eq!(value["total"], 10);
    }
}

#[tokio::test]
async fn the_client_or_the_call_says_how_an_envelope_is_told() {
    let envelope = r#"{"success":true,"data":1,"timestamp":"2026-02-24T12:00:00.000Z"}"#;
    let peer = Upstream::start([Step::json(envelope)]).await;
    let raw = exact(&peer.url())
        .unwrap_mode(civic_envelope::UnwrapMode::Raw)
        .build()
        .unwrap();
    assert_eq!(raw.get("/").fetch::<Value>().await.unwrap()["data"], 1);
    let strict = raw.get("/").unwrap_mode(civic_envelope::UnwrapMode::Strict);
    assert_eq!(strict.fetch::<Value>().await.unwrap(), 1);
}

#[tokio::test]
async fn headers_of_the_caller_are_sent_and_the_token_cannot_be_replaced() {
    let (peer, client) = peer([Step::status(204)]).await;
    let request = client
        .get("/")
        .header("x-tenant", "north")
        .header("authorization", "Basic eDp5");
    request.send().await.unwrap();
    let attempt = last(&peer).await;
    assert_eq!(attempt.header("x-tenant"), Some("north"));
    assert!(
        attempt
            .header("authorization")
            .unwrap()
            .starts_with("Bearer ")
    );
    assert_eq!(attempt.headers.get_all("authorization").iter().count(), 1);
}

#[tokio::test]
async fn a_request_that_is_printed_shows_neither_parameters_nor_query_headers_or_body() {
    let (_peer, client) = peer([Step::status(204)]).await;
    let request = client
        .post("/users/{id}")
        .param("id", "id-7")
        .query("q", "secret-query")
        .header("x-api-key", "secret-key")
        .json("secret-body");
    let debug = format!("{request:?}");
    assert!(
        debug.contains("POST") && debug.contains("/users/{id}"),
        "{debug}"
    );
    for unsaid in ["id-7", "secret"] {
        assert!(!debug.contains(unsaid), "{unsaid}: {debug}");
    }
}

#[tokio::test]
async fn an_anonymous_client_sends_no_token_but_a_correlation_id() {
    let peer = Upstream::start([Step::status(204)]).await;
    let client = ServiceClient::builder(&peer.url())
        .anonymous()
        .build()
        .unwrap();
    client.post("/").json(&1).send().await.unwrap();
    let attempt = last(&peer).await;
    assert_eq!(attempt.header("authorization"), None);
    assert!(attempt.header("x-correlation-id").is_some());
    assert_eq!(attempt.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn the_prefix_of_the_base_url_is_kept() {
    let peer = Upstream::start([Step::status(204)]).await;
    let client = exact(&format!("{}/roll/v1/", peer.url())).build().unwrap();
    client.get("/x").send().await.unwrap();
    assert_eq!(last(&peer).await.target, "/roll/v1/x");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_one_line_that_says_what_the_peer_said_and_what_it_cost() {
    let step = Step::status(503).with_json(r#"{"message":"the database is down"}"#);
    let (_peer, client) = peer([step]).await;
    let request = client
        .get("/users/{id}")
        .param("id", "id-7")
        .query("q", "secret-query");
    let error = request.send().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "GET /users/{id} -> status 503: \"the database is down\" after 3 attempts in 1.500 s"
    );
    assert_eq!(error.message(), Some("the database is down"));
    assert_eq!(error.elapsed(), Duration::from_millis(1500));
    assert!(error.correlation_id().is_some());
    let debug = format!("{error:?}");
    for unsaid in ["id-7", "secret-query", "database"] {
        assert!(!debug.contains(unsaid), "{unsaid}: {debug}");
    }
    let error = client.post("/").send().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "POST / -> status 503: \"the database is down\" after 1 attempt in 0.000 s"
    );
}

#[tokio::test]
async fn a_parser_that_quotes_the_body_is_not_quoted() {
    let (_peer, client) = peer([Step::envelope(r#""a secret in the body""#)]).await;
    let error = client.get("/").fetch::<u8>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(
        !format!("{error} {error:?}").contains("secret"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_long_message_of_the_peer_is_cut_and_cannot_begin_a_log_line_of_its_own() {
    let long = "é".repeat(4000);
    let forged = "no\n2026-11-26 INFO \u{202e}all is well \"";
    let bodies = [&long, forged].map(|text| json!({ "message": text }).to_string());
    let (_peer, client) = peer(bodies.map(|body| Step::status(400).with_json(body))).await;
    let error = client.get("/").send().await.unwrap_err();
    assert!(error.message().unwrap().len() <= 2048);
    let text = error.to_string();
    assert!((200..300).contains(&text.len()), "{text}");
    assert!(text.contains("é\"... after 1 attempt"), "{text}");

    let error = client.get("/").send().await.unwrap_err();
    assert_eq!(error.message(), Some(forged), "as the peer wrote it");
    let text = error.to_string();
    let escaped = r#"status 400: "no\n2026-11-26 INFO \u{202e}all is well \"" after"#;
    assert!(text.contains(escaped), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_connecting_says_to_where() {
    let refusing = Upstream::refusing().await;
    let client = exact(&refusing.url()).build().unwrap();
    let error = call(&client, &Method::GET).await.unwrap_err();
    let host = refusing.url().replace("http://", "");
    assert_eq!(
        error.to_string(),
        format!("GET /things/{{id}} -> connect to {host} after 3 attempts in 1.500 s")
    );
}

#[test]
fn a_client_is_decided_at_start_up() {
    let refused = |builder: ServiceClientBuilder| {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    };
    assert!(refused(ServiceClient::builder("localhost:3020").minter(minter())).contains("scheme"));
    #[cfg(not(feature = "tls"))]
    assert!(refused(ServiceClient::builder("https://host").minter(minter())).contains("TLS"));
    assert!(refused(ServiceClient::builder("http://host")).contains("minter"));
    assert!(
        ServiceClient::builder("http://host")
            .minter(minter())
            .build()
            .is_ok()
    );
}

fn from_env(default: &str) -> Result<ServiceClient, Error> {
    ServiceClientBuilder::from_env("CIVIC_TEST_URL", default)
        .minter(minter())
        .build()
}

#[tokio::test(start_paused = true)]
async fn what_a_main_prints_of_a_failed_call_is_the_line_its_causes_and_the_correlation_id() {
    let refusing = Upstream::refusing().await;
    let client = exact(&refusing.url()).build().unwrap();
    let error = client.get("/x").send().await.unwrap_err();
    let printed = format!("Error: {error:?}");
    let begins = format!(
        "Error: GET /x -> connect to {} after 3 attempts in",
        refusing.addr()
    );
    assert!(printed.starts_with(&begins), "{printed}");
    assert!(printed.contains("(os error "), "the cause: {printed}");
    let id = error.correlation_id().unwrap();
    assert!(
        printed.ends_with(&format!(" (correlation id {id})")),
        "{printed}"
    );
    assert!(format!("{error:#?}").starts_with("Error {\n    kind: Connect,"));
}

#[test]
fn without_the_variable_the_url_is_the_default() {
    // In a process of `the_url_in_the_environment_wins_over_the_default` the variable is set.
    if std::env::var_os("CIVIC_TEST_URL").is_none() {
        assert!(from_env("http://localhost:3020").is_ok());
        let error = from_env("localhost").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let text = error.to_string();
        assert!(text.contains("the default URL has no scheme"), "{text}");
    }
}

/// What `the_url_in_the_environment_wins_over_the_default` asks of a process with a variable.
#[test]
fn the_url_in_the_environment_of_this_process() {
    if let Some(url) = std::env::var_os("CIVIC_TEST_URL") {
        let built = from_env("http://localhost:3020");
        match url.to_str() {
            Some("http://elsewhere:1") => {
                let client = format!("{:?}", built.unwrap());
                assert!(client.contains("elsewhere"), "{client}");
            }
            Some(_) | None => {
                let error = built.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Config);
                // What a `main` that returns the error prints says as much.
                for text in [error.to_string(), format!("{error:?}")] {
                    assert!(text.starts_with("config: CIVIC_TEST_URL "), "{text}");
                    assert!(text.contains("for example http://localhost:3020"), "{text}");
                    assert!(!text.contains("secret"), "{text}");
                }
            }
        }
    }
}

#[test]
fn the_url_in_the_environment_wins_over_the_default() {
    let not_unicode = OsStr::from_bytes(b"http://\xff");
    let urls = ["http://elsewhere:1", "", "localhost", "http://u:secret@h"].map(OsStr::new);
    for url in urls.into_iter().chain([not_unicode]) {
        // A process of its own, because no test may change its environment: it is unsafe.
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "facade::the_url_in_the_environment_of_this_process",
            ])
            .env("CIVIC_TEST_URL", url)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && said.contains("1 passed"),
            "{url:?}: {said}"
        );
    }
}

#[tokio::test]
async fn a_client_is_cheap_to_share_between_tasks() {
    fn shareable<T: Clone + Send + Sync + 'static>(_: &T) {}
    let (_peer, client) = peer([Step::status(204)]).await;
    shareable(&client);
    let task = tokio::spawn(async move { call(&client, &Method::GET).await });
    task.await.unwrap().unwrap();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}
