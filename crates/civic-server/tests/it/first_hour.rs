//! What a newcomer's service answered wrongly before there was this crate, row by row, over a
//! connection as `curl` would make it.

use crate::support::wire::{Answer, Served};
use crate::support::{minter, verifier};

/// A request as text, and its answer.
async fn ask(method: &str, path: &str, content_type: &str, body: &str) -> Answer {
    let app = crate::bills::service(verifier()).unwrap();
    let served = Served::start(app);
    let mut caller = served.connect();
    let token = minter().mint();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nx-correlation-id: \
         hour-1\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
        token.as_str(),
        body.len()
    );
    caller.write(&request).await;
    let answer = caller.answer().await;
    // Whatever was wrong, the connection lives on.
    assert_eq!(caller.get("/health").await.status, 200);
    answer
}

#[tokio::test]
async fn a_service_of_75_lines_answers_every_mistake_in_the_platforms_shape() {
    let lines = include_str!("bills.rs").lines().count();
    assert!(lines <= 75, "{lines}");
    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    const BILLS: &str = "/api/billing/bills";
    let large = format!(r#"{{"owner":"{}"}}"#, "x".repeat(3 * 1024 * 1024));
    for (name, (method, path, content_type, body), status, message) in [
        (
            "unknown path",
            ("GET", "/nowhere", JSON, ""),
            404,
            "Cannot GET /nowhere",
        ),
        (
            "wrong method",
            ("DELETE", BILLS, JSON, ""),
            405,
            "Cannot DELETE /api/billing/bills",
        ),
        (
            "field missing",
            ("POST", BILLS, JSON, r#"{"owner":"x"}"#),
            422,
            "Validation failed: amount: Required",
        ),
        (
            "rule broken",
            ("POST", BILLS, JSON, r#"{"owner":"","amount":0}"#),
            422,
            "Validation failed: amount: lower than 0.01; owner: length is lower than 1",
        ),
        (
            "not JSON",
            ("POST", BILLS, JSON, r#"{"owner":"#),
            400,
            "The body is not JSON: EOF while parsing a value (line 1, column 9)",
        ),
        (
            "a form",
            ("POST", BILLS, FORM, "owner=x&amount=1"),
            415,
            "Unsupported Media Type",
        ),
        (
            "3 MB",
            ("POST", BILLS, JSON, &large),
            413,
            "The body is larger than this service accepts",
        ),
        (
            "?page=abc",
            ("GET", "/api/billing/bills?page=abc", JSON, ""),
            422,
            "Validation failed: page: Invalid input: expected number, received NaN",
        ),
        (
            "a panic",
            ("POST", BILLS, JSON, r#"{"owner":"Bug","amount":1}"#),
            500,
            "Internal server error",
        ),
        (
            "no such bill",
            ("GET", "/api/billing/bills/7", JSON, ""),
            404,
            "No bill 7",
        ),
        (
            "no such number",
            ("GET", "/api/billing/bills/seven", JSON, ""),
            422,
            "Validation failed: Invalid input: expected u64",
        ),
    ] {
        let answer = ask(method, path, content_type, body).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
        assert_eq!(
            answer.header("content-type"),
            Some("application/json; charset=utf-8"),
            "{name}"
        );
        assert_eq!(answer.header("x-correlation-id"), Some("hour-1"), "{name}");
        let body = answer.json();
        assert_eq!(body["statusCode"], status, "{name}");
        assert_eq!(body["message"], message, "{name}");
        assert_eq!(body["correlationId"], "hour-1", "{name}");
        assert_eq!(body["details"].is_array(), status == 422, "{name}");
    }
}

#[tokio::test]
async fn and_what_is_right_in_an_envelope_as_node_writes_it() {
    let body = r#"{"owner":"Zoë","amount":12.0}"#;
    let answer = ask("POST", "/api/billing/bills", "application/json", body).await;
    assert_eq!(answer.status, 201);
    let expected = concat!(
        r#"{"success":true,"data":{"id":0,"owner":"Zoë","amount":12,"#,
        r#""issuedBy":"00000000-0000-0000-0000-000000000000"},"timestamp":""#
    );
    assert!(answer.body.starts_with(expected), "{}", answer.body);
    let list = ask("GET", "/api/billing/bills", "application/json", "").await;
    assert_eq!(list.json()["data"]["pagination"]["totalItems"], 0);
}
