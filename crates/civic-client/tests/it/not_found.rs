//! When a 404 is "there is none", and what has no body.

use civic_client::ErrorKind;
use civic_testkit::upstream::Step;
use http::{Method, StatusCode};

use crate::support::peer;

fn not_found(message: &str) -> Step {
    let body = serde_json::json!({
        "statusCode": 404,
        "message": message,
        "correlationId": "x",
        "timestamp": "2026-02-24T12:00:00.000Z",
    });
    Step::status(404).with_json(body.to_string())
}

#[tokio::test]
async fn a_404_is_none_only_if_a_handler_says_that_the_thing_is_missing() {
    let none = [
        not_found("Property with ID 7 not found"),
        not_found("Not Found"),
        not_found(""),
        not_found("Cannot find property /7"),
        not_found("Cannot GET the property"),
        not_found("Route 66 not found"),
        not_found("Route to:nowhere not found"),
        Step::status(404).with_json("\u{feff}{\"statusCode\":404,\"message\":\"gone\"}"),
    ];
    for step in none {
        let (_peer, client) = peer([step.clone()]).await;
        let found = client.get("/").fetch_optional::<String>().await;
        assert_eq!(found.unwrap(), None, "{step:?}");
    }
    let errors = [
        Step::status(404),
        Step::status(404).body("<html>404</html>"),
        not_found("Cannot GET /propertys/7"),
        not_found("Cannot DELETE /"),
        not_found("Cannot PROPFIND /x"),
        not_found("Cannot M-SEARCH /x"),
        not_found("Route GET:/propertys/7 not found"),
        not_found("Route POST:/ not found"),
        Step::status(404).with_json(r#"{"message":"no such thing"}"#),
        Step::status(404).with_json(r#"{"statusCode":404}"#),
        Step::status(404).with_json(r#"{"statusCode":404,"message":["a","b"]}"#),
        Step::status(404).with_json(r#"{"statusCode":"404","message":"gone"}"#),
        Step::status(404).with_json(r#"{"statusCode":400,"message":"gone"}"#),
        Step::status(404).with_json(r#"[{"statusCode":404,"message":"gone"}]"#),
        Step::status(404).with_json(r#"{"statusCode":404,"message":"gone""#),
    ];
    for step in errors {
        let (_peer, client) = peer([step.clone(), step.clone()]).await;
        let error = client.get("/").fetch_optional::<String>().await;
        let error = error.expect_err("it may be the wrong URL");
        assert_eq!(error.kind(), ErrorKind::Status, "{step:?}");
        assert_eq!(error.status(), Some(StatusCode::NOT_FOUND));
        assert!(error.to_string().contains("check the URL"), "{error}");

        let request = client.get("/").bare_404_is_none();
        assert_eq!(request.fetch_optional::<String>().await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_answer_that_cannot_have_a_body_is_empty_whatever_its_mark() {
    let marked = |status| Step::status(status).header("x-envelope", "1");
    for (method, status) in [
        (Method::HEAD, 200),
        (Method::HEAD, 206),
        (Method::GET, 204),
        (Method::DELETE, 204),
        (Method::POST, 205),
    ] {
        let (_peer, client) = peer([marked(status)]).await;
        let request = || client.request(method.clone(), "/");
        request().send().await.unwrap();
        request().fetch::<()>().await.unwrap();
        assert_eq!(request().fetch::<Option<u32>>().await.unwrap(), None);
        let unit = request().fetch_optional::<()>().await.unwrap();
        assert_eq!(unit, Some(()), "{method} {status}");
    }
    // An empty 200 to GET that is marked is still broken.
    let (_peer, client) = peer([marked(200)]).await;
    let error = client.get("/").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_404_to_head_is_none() {
    let (_peer, client) = peer([Step::status(404)]).await;
    let request = client.request(Method::HEAD, "/");
    assert_eq!(request.fetch_optional::<()>().await.unwrap(), None);
}

#[tokio::test]
async fn an_error_keeps_status_headers_and_body_and_debug_shows_nothing_of_the_peers() {
    #[derive(Debug, serde::Deserialize, PartialEq)]
    struct Conflict {
        code: String,
    }
    let step = Step::status(409)
        .header("etag", "\"7\"")
        .with_json(r#"{"code":"078-05-1120","message":"078-05-1120 is taken"}"#);
    let refused = Step::json(
        r#"{"success":false,"message":"078-05-1120 is taken","timestamp":"2026-02-24T12:00:00Z"}"#,
    );
    let garbage = Step::envelope(r#""078-05-1120""#);
    let (_peer, client) = peer([step, refused, garbage]).await;
    let error = client.get("/").send().await.unwrap_err();
    assert_eq!(error.headers().unwrap()["etag"], "\"7\"");
    let conflict = error.body::<Conflict>().unwrap();
    assert_eq!(conflict.code, "078-05-1120");
    assert_eq!(error.body::<u32>(), None);
    assert_eq!(
        error.error_body().unwrap().message(),
        "078-05-1120 is taken"
    );
    assert_eq!(error.message(), Some("078-05-1120 is taken"));
    let refusal = client.get("/").send().await.unwrap_err();
    assert_eq!(refusal.message(), Some("078-05-1120 is taken"));
    let decode = client.get("/").fetch::<u64>().await.unwrap_err();
    assert_eq!(decode.kind(), ErrorKind::Decode);
    for error in [error, refusal, decode] {
        let debug = format!("{error:?}");
        assert!(!debug.contains("078-05-1120"), "{debug}");
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            assert!(!source.to_string().contains("078-05-1120"), "{source}");
            cause = source.source();
        }
    }
}

#[tokio::test]
async fn a_compressed_answer_says_that_it_is_compressed() {
    for (coding, named) in [
        ("gzip", "gzip"),
        ("BR", "br"),
        ("x-secret", "in another way"),
    ] {
        let step = Step::json(&b"\x1f\x8b\x08"[..]).header("content-encoding", coding);
        let (_peer, client) = peer([step]).await;
        let request = client.get("/").header("accept-encoding", "gzip");
        let error = request.fetch::<u32>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("compressed"), "{error}");
        assert!(error.to_string().contains(named), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
