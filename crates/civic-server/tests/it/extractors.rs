//! Extractors reject a request in the platform's shape, and say what was wrong.

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post as route_post};
use civic_server::{Json, JsonText, Path, Query};
use http::Method;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{PREFIX, answer, post, request, send, service};

#[derive(Debug, Deserialize, Serialize)]
struct Thing {
    name: String,
    #[serde(serialize_with = "civic_server::serialize_number")]
    value: f64,
}

fn echo() -> Router {
    let routes = Router::new().route(
        "/x",
        route_post(async |Json(thing): Json<Thing>| Json(thing)),
    );
    service(routes)
}

#[tokio::test]
async fn json_goes_in_and_comes_out_as_node_writes_it() {
    let answer = post(&echo(), r#"{"name":"Zoë","value":7.0}"#).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(answer.json()["data"], json!({"name": "Zoë", "value": 7}));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_and_says_why() {
    for (body, status, message) in [
        ("", 400, "A JSON body is required"),
        (
            "{\"name\":",
            400,
            "The body is not JSON: EOF while parsing a value at line 1 column 8",
        ),
        (
            "{\"name\":\"x\"}",
            422,
            "Validation failed: missing field `value` at line 1 column 12",
        ),
        (
            "[]",
            422,
            "Validation failed: invalid length 0, expected struct Thing with 2 elements at line 1 column 2",
        ),
    ] {
        post(&echo(), body).await.assert_error(status, message);
    }
}

#[tokio::test]
async fn another_content_type_is_415_whatever_the_body_is() {
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "text/json",
    ] {
        let request = request(Method::POST, &format!("{PREFIX}/x"))
            .header(CONTENT_TYPE, content_type)
            .body(Body::from("{}"));
        let answer = answer(&echo(), request.unwrap()).await;
        answer.assert_error(415, "Unsupported Media Type");
    }
    for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
        let request = request(Method::POST, &format!("{PREFIX}/x"))
            .header(CONTENT_TYPE, content_type)
            .body(Body::from(r#"{"name":"x","value":1}"#));
        let answer = answer(&echo(), request.unwrap()).await;
        assert_eq!(answer.status, 200, "{content_type}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let answer = post(&echo(), &"x".repeat(3 * 1024 * 1024)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["statusCode"], 413);
    assert_eq!(answer.json()["correlationId"], "req-1");
}

#[tokio::test]
async fn a_value_that_cannot_be_json_is_500_and_its_reason_is_only_logged() {
    struct Broken;

    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("the reason"))
        }
    }

    let app = service(Router::new().route("/x", get(async || Json(Broken))));
    let capture = civic_testkit::log::Capture::start();
    let answer = send(&app, request(Method::GET, &format!("{PREFIX}/x"))).await;
    answer.assert_error(500, "Internal server error");
    assert!(capture.text().contains("the reason"));
}

#[tokio::test]
async fn json_text_is_sent_byte_for_byte() {
    let text = r#"{"z":1e+21,"a":5e-324}"#;
    let routes = Router::new().route("/x", get(async move || JsonText(text.into())));
    let answer = send(
        &service(routes),
        request(Method::GET, &format!("{PREFIX}/x")),
    )
    .await;
    let body = std::str::from_utf8(&answer.body).unwrap();
    assert!(body.contains(&format!("\"data\":{text},")), "{body}");
}

#[tokio::test]
async fn a_path_or_a_query_that_cannot_be_read_is_refused_in_the_same_shape() {
    #[derive(Debug, Deserialize)]
    struct Asked {
        page: u32,
    }

    let routes = Router::new()
        .route("/things/{id}", get(async |Path(id): Path<u32>| Json(id)))
        .route(
            "/things",
            get(async |Query(asked): Query<Asked>| Json(asked.page)),
        );
    let app = service(routes);
    for (path, data) in [("/things/7", 7), ("/things?page=3", 3)] {
        let answer = send(&app, request(Method::GET, &format!("{PREFIX}{path}"))).await;
        assert_eq!(answer.json()["data"], data, "{path}");
    }
    for path in ["/things/seven", "/things/%ff", "/things?page=x", "/things"] {
        let answer = send(&app, request(Method::GET, &format!("{PREFIX}{path}"))).await;
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        answer.assert_error(400, &message);
    }
}

#[cfg(feature = "garde")]
mod valid_json {
    use axum::Router;
    use axum::routing::post as route_post;
    use civic_server::ValidJson;
    use garde::Validate;
    use serde::Deserialize;

    use crate::support::{post, service};

    #[derive(Debug, Deserialize, Validate)]
    struct Owner {
        #[garde(length(min = 5))]
        name: String,
        #[garde(inner(length(max = 2)))]
        tags: Vec<String>,
    }

    fn app() -> Router {
        let handler = async |ValidJson(owner): ValidJson<Owner>| owner.name;
        service(Router::new().route("/x", route_post(handler)))
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
        let answer = post(&app(), r#"{"name":"Zoë","tags":["ok","secret-tag"]}"#).await;
        answer.assert_error(
            422,
            "Validation failed: name: length is lower than 5; tags[1]: length is greater than 2",
        );
    }

    #[tokio::test]
    async fn a_body_that_breaks_many_rules_names_twenty() {
        let tags = vec!["long"; 23];
        let body = serde_json::json!({"name": "Zoë X", "tags": tags}).to_string();
        let answer = post(&app(), &body).await;
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert_eq!(message.matches("tags[").count(), 20, "{message}");
        assert!(message.ends_with("; and 3 more"), "{message}");
    }

    #[tokio::test]
    async fn a_body_that_is_no_such_type_is_refused_as_json_refuses_it() {
        post(&app(), "{}").await.assert_error(
            422,
            "Validation failed: missing field `name` at line 1 column 2",
        );
    }
}
