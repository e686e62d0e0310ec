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
    let body = std::str::from_utf8(&answer.body).unwrap();
    assert!(
        body.contains(r#""data":{"name":"Zoë","value":7}"#),
        "{body}"
    );
    let huge = post(&echo(), r#"{"name":"","value":1e21}"#).await;
    let body = std::str::from_utf8(&huge.body).unwrap();
    assert!(body.contains(r#""value":1e+21}"#), "{body}");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(answer.json()["data"], json!({"name": "Zoë", "value": 7}));
}

#[tokio::test]
async fn a_body_that_is_not_json_is_400_and_says_where() {
    for (body, message) in [
        ("", "A JSON body is required"),
        (
            "{\"name\":",
            "The body is not JSON: EOF while parsing a value (line 1, column 8)",
        ),
        (
            "{\"name\":\"x\",\"value\":1} x",
            "The body is not JSON: trailing characters (line 1, column 24)",
        ),
        // Of another type before it breaks off: it is still no JSON.
        (
            "{\"name\":7",
            "The body is not JSON: invalid type: a number, expected a string (line 1, column 9)",
        ),
    ] {
        post(&echo(), body).await.assert_error(400, message);
    }
    let request = request(Method::POST, &format!("{PREFIX}/x"))
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(&b"{\"name\":\"\xff\"}"[..]));
    answer(&echo(), request.unwrap())
        .await
        .assert_error(400, "The body is not JSON: it is not UTF-8");
}

#[tokio::test]
async fn json_of_another_type_is_422_and_names_the_field_without_its_value() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Deep {
        #[allow(dead_code, reason = "only the error is looked at")]
        owners: Vec<Thing>,
    }
    for (body, field, message) in [
        (r#"{"name":"x"}"#, "value", "Required"),
        (
            r#"{"name":7,"value":1}"#,
            "name",
            "invalid type: a number, expected a string",
        ),
        (
            r#"{"name":"secret","value":"secret"}"#,
            "value",
            "invalid type: a string, expected f64",
        ),
        (
            "[]",
            "",
            "invalid length, expected struct Thing with 2 elements",
        ),
        ("7", "", "invalid type: a number, expected struct Thing"),
    ] {
        post(&echo(), body)
            .await
            .assert_invalid(&[(field, message)]);
    }
    let deep = service(Router::new().route("/x", route_post(async |_: Json<Deep>| "ok")));
    for (body, field, message) in [
        (
            r#"{"owners":[{"name":"a","value":1},{"name":"b"}]}"#,
            "owners.1.value",
            "Required",
        ),
        (
            r#"{"owners":[{"name":"a","value":true}]}"#,
            "owners.0.value",
            "invalid type: a boolean, expected f64",
        ),
        (
            r#"{"owners":[],"secret":1}"#,
            "secret",
            "unknown field, expected `owners`",
        ),
    ] {
        post(&deep, body).await.assert_invalid(&[(field, message)]);
    }
}

#[tokio::test]
async fn another_content_type_is_415_whatever_the_body_is() {
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "text/json",
        "application/+json",
        "application/jsonp",
        "image/svg+json",
    ] {
        let request = request(Method::POST, &format!("{PREFIX}/x"))
            .header(CONTENT_TYPE, content_type)
            .body(Body::from("{}"));
        let answer = answer(&echo(), request.unwrap()).await;
        answer.assert_error(415, "Unsupported Media Type");
    }
    for content_type in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/vnd.town.bill+json",
        "application/problem+json; charset=utf-8",
    ] {
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
    answer.assert_error(413, "The body is larger than this service accepts");
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
async fn a_path_or_a_query_that_is_not_of_the_type_is_422_and_names_the_field() {
    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Land,
        House,
    }

    #[derive(Debug, Deserialize)]
    struct Asked {
        page: u32,
        kind: Option<Kind>,
    }

    let routes = Router::new()
        .route("/things/{id}", get(async |Path(id): Path<u32>| Json(id)))
        .route(
            "/things/{id}/parts/{part}",
            get(async |Path((id, part)): Path<(u32, u32)>| Json(id + part)),
        )
        .route(
            "/things",
            get(async |Query(asked): Query<Asked>| {
                Json((
                    asked.page,
                    asked.kind.map(|kind| matches!(kind, Kind::Land)),
                ))
            }),
        );
    let app = service(routes);
    let ask = async |path: &str| send(&app, request(Method::GET, &format!("{PREFIX}{path}"))).await;
    for (path, data) in [
        ("/things/7", json!(7)),
        ("/things/7/parts/1", json!(8)),
        ("/things?page=3", json!([3, null])),
        ("/things?page=%33&kind=land", json!([3, true])),
        ("/things?page=3&kind=house&other=1", json!([3, false])),
    ] {
        assert_eq!(ask(path).await.json()["data"], data, "{path}");
    }
    for (path, field, message) in [
        ("/things/seven", "", "Invalid input: expected u32"),
        ("/things/7/parts/x", "1", "Invalid input: expected u32"),
        ("/things?page=x", "page", "invalid digit found in string"),
        (
            "/things?page=",
            "page",
            "cannot parse integer from empty string",
        ),
        ("/things", "page", "Required"),
        ("/things?page=1&page=2", "page", "Duplicate"),
        (
            "/things?page=1&kind=secret",
            "kind",
            "unknown variant, expected `land` or `house`",
        ),
    ] {
        ask(path).await.assert_invalid(&[(field, message)]);
    }
    ask("/things/%ff")
        .await
        .assert_error(400, "The path is not UTF-8, in id");
}

#[tokio::test]
async fn a_route_whose_extractor_fits_no_path_is_500_and_says_why_in_the_log() {
    let routes = Router::new().route("/things", get(async |Path(id): Path<u32>| Json(id)));
    let capture = civic_testkit::log::Capture::start();
    let answer = send(&service(routes), request(Method::GET, "/api/things/things")).await;
    answer.assert_error(500, "Internal server error");
    assert!(
        capture.text().contains("the request failed"),
        "{}",
        capture.text()
    );
}
