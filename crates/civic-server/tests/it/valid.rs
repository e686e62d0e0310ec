//! Values that break a rule of their type are refused as the platform's pipe refuses them.

use axum::Router;
use axum::routing::{get, post as route_post};
use civic_server::{Json, ValidJson, ValidPath, ValidQuery};
use garde::Validate;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::support::{PREFIX, post, request, send, service};

#[derive(Debug, Deserialize, Validate)]
struct Owner {
    #[garde(length(min = 5))]
    name: String,
    #[garde(inner(length(max = 2)))]
    tags: Vec<String>,
    #[garde(length(max = 3))]
    #[serde(default, rename = "postalCode")]
    postal_code: String,
}

#[derive(Debug, Deserialize, Validate)]
struct Year {
    #[garde(range(min = 1900, max = 2100))]
    year: u32,
}

fn app() -> Router {
    let owner = async |ValidJson(owner): ValidJson<Owner>| owner.name;
    let query = async |ValidQuery(asked): ValidQuery<Year>| Json(asked.year);
    let path = async |ValidPath(asked): ValidPath<Year>| Json(asked.year);
    service(
        Router::new()
            .route("/x", route_post(owner))
            .route("/rolls", get(query))
            .route("/rolls/{year}", get(path)),
    )
}

#[tokio::test]
async fn a_body_that_keeps_the_rules_reaches_the_handler() {
    let answer = post(&app(), r#"{"name":"Zoë X","tags":["a"]}"#).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body[..]),
        (200, "Zoë X".as_bytes())
    );
}

#[tokio::test]
async fn a_body_that_breaks_rules_is_422_and_names_each_without_its_value() {
    post(
        &app(),
        r#"{"name":"Zoë","tags":["ok","secret-tag"],"postalCode":"12345"}"#,
    )
    .await
    .assert_invalid(&[
        ("name", "length is lower than 5"),
        ("postalCode", "length is greater than 3"),
        ("tags.1", "length is greater than 2"),
    ]);
}

#[tokio::test]
async fn a_body_that_breaks_many_rules_names_twenty_and_lists_sixty_four() {
    let tags = vec!["long"; 70];
    let body = json!({"name": "Zoë X", "tags": tags}).to_string();
    let answer = post(&app(), &body).await;
    let json = answer.json();
    let message = json["message"].as_str().unwrap();
    assert_eq!(message.matches("tags.").count(), 20, "{message}");
    assert!(message.ends_with("; and 50 more"), "{message}");
    assert_eq!(json["details"].as_array().unwrap().len(), 64);
}

#[tokio::test]
async fn a_body_that_is_no_such_type_is_refused_as_json_refuses_it() {
    post(&app(), "{}")
        .await
        .assert_invalid(&[("name", "Required")]);
}

#[tokio::test]
async fn a_query_and_a_path_that_break_a_rule_are_422_as_well() {
    let ask =
        async |path: &str| send(&app(), request(Method::GET, &format!("{PREFIX}{path}"))).await;
    for path in ["/rolls?year=2026", "/rolls/2026"] {
        assert_eq!(ask(path).await.json()["data"], 2026, "{path}");
    }
    for path in ["/rolls?year=1812", "/rolls/1812"] {
        ask(path)
            .await
            .assert_invalid(&[("year", "lower than 1900")]);
    }
    ask("/rolls?year=x")
        .await
        .assert_invalid(&[("year", "invalid digit found in string")]);
    ask("/rolls/x")
        .await
        .assert_invalid(&[("year", "Invalid input: expected u32")]);
}
