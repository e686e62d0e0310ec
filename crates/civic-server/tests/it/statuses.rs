//! The platform's statuses, each in the platform's shape, whatever made it.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use civic_auth::{RequireRoleLayer, Role, UserClaims};
use civic_client::ServiceClient;
use civic_server::{Failure, Json, Service};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::support::{Answer, PREFIX, answer, minter, request, verifier};

#[derive(Debug, Deserialize)]
struct Bill {
    #[allow(dead_code, reason = "only the errors are looked at")]
    amount: u32,
}

/// A service, and its only place for a request.
fn app(places: usize) -> Router {
    let conflict = async || Err::<(), _>(Failure::new(StatusCode::CONFLICT, "The roll is closed"));
    let slow = async || {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Json(1)
    };
    // No one listens on the port of the discard protocol here.
    let call = async |port: u16| -> Result<Json<Value>, Failure> {
        let peer = ServiceClient::builder(&format!("http://127.0.0.1:{port}"))
            .minter(minter())
            .retries(0)
            .build()?;
        Ok(Json(peer.get("/").fetch().await?))
    };
    let routes = Router::new()
        .route("/bills", post(async |Json(_): Json<Bill>| Json(1)))
        .route("/conflict", get(conflict))
        .route("/fine", get(async || Json(1)))
        .route(
            "/throttled",
            get(async || (StatusCode::TOO_MANY_REQUESTS, "Slow down")),
        )
        .route("/panics", get(async || -> Json<u8> { panic!("a bug") }))
        .route("/bad-gateway", get(async || StatusCode::BAD_GATEWAY))
        .route("/peer-down", get(async move || call(1).await))
        .route("/slow", get(slow))
        .route(
            "/forbidden",
            get(async || Json(1)).route_layer(RequireRoleLayer::new(Role::TaxManager)),
        );
    Service::new(PREFIX, verifier())
        .unwrap()
        .guarded(routes)
        .limit(places)
        .into_router()
}

fn bill(content_type: &str, body: impl Into<Body>) -> Request<Body> {
    request(Method::POST, "/api/things/bills")
        .header(CONTENT_TYPE, content_type)
        .body(body.into())
        .unwrap()
}

fn ask(method: Method, path: &str) -> Request<Body> {
    request(method, &format!("{PREFIX}{path}"))
        .body(Body::empty())
        .unwrap()
}

#[track_caller]
fn assert_shape(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status, status, "{:?}", answer.body);
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(answer.header("x-correlation-id"), Some("req-1"));
    let body = answer.json();
    assert_eq!(body["statusCode"], status);
    assert_eq!(body["message"], message);
    assert_eq!(body["correlationId"], "req-1");
    let members: Vec<&str> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for member in members {
        assert!(
            [
                "statusCode",
                "message",
                "correlationId",
                "timestamp",
                "error",
                "details"
            ]
            .contains(&member),
            "{member}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_status_of_the_platforms_table_has_its_shape() {
    let clerk = UserClaims::new("u-1", "clerk@town.example", Role::TaxClerk);
    let clerk = minter().mint_for(&clerk, Duration::from_secs(60));
    let clerk = Request::get("/api/things/forbidden")
        .header(AUTHORIZATION, clerk.to_header_value())
        .header("x-correlation-id", "req-1")
        .body(Body::empty());
    let stranger = Request::get("/api/things/conflict")
        .header("x-correlation-id", "req-1")
        .body(Body::empty());
    let hurried = request(Method::GET, "/api/things/slow")
        .header("x-request-timeout-ms", "100")
        .body(Body::empty());
    let json = "application/json";
    let large = "x".repeat(3 * 1024 * 1024);
    for (request, status, message) in [
        (
            bill(json, "{"),
            400,
            "The body is not JSON: EOF while parsing an object (line 1, column 1)",
        ),
        (stranger.unwrap(), 401, "Missing authentication token"),
        (clerk.unwrap(), 403, "Insufficient role permissions"),
        (
            ask(Method::GET, "/nothing"),
            404,
            "Cannot GET /api/things/nothing",
        ),
        (
            ask(Method::DELETE, "/bills"),
            405,
            "Cannot DELETE /api/things/bills",
        ),
        (ask(Method::GET, "/conflict"), 409, "The roll is closed"),
        (
            bill(json, large),
            413,
            "The body is larger than this service accepts",
        ),
        (
            bill("application/x-www-form-urlencoded", "amount=1"),
            415,
            "Unsupported Media Type",
        ),
        (bill(json, "{}"), 422, "Validation failed: amount: Required"),
        (ask(Method::GET, "/throttled"), 429, "Slow down"),
        (ask(Method::GET, "/panics"), 500, "Internal server error"),
        (ask(Method::GET, "/bad-gateway"), 502, "Bad Gateway"),
        (
            ask(Method::GET, "/peer-down"),
            503,
            "A service that this one depends on is unavailable",
        ),
        (hurried.unwrap(), 504, "The caller's deadline has passed"),
    ] {
        assert_shape(&answer(&app(1), request).await, status, message);
    }
}

#[tokio::test]
async fn an_answer_that_is_made_of_a_failed_call_says_not_to_repeat_it_and_a_shed_one_does_not() {
    let app = app(1);
    let down = answer(&app, ask(Method::GET, "/peer-down")).await;
    assert_eq!(down.status, 503);
    assert_eq!(down.header("x-should-retry"), Some("false"));

    let taken = app
        .clone()
        .oneshot(ask(Method::GET, "/fine"))
        .await
        .unwrap();
    let shed = answer(&app, ask(Method::POST, "/bills")).await;
    assert_shape(&shed, 503, "The service is at its limit");
    assert_eq!(shed.header("retry-after"), Some("1"));
    assert_eq!(shed.header("x-should-retry"), None);
    // Probes and unknown paths need no place.
    let probe = Request::get("/health/ready").body(Body::empty());
    assert_eq!(answer(&app, probe.unwrap()).await.status, 200);
    assert_eq!(answer(&app, ask(Method::GET, "/nothing")).await.status, 404);
    drop(taken);
    assert_eq!(
        answer(&app, ask(Method::GET, "/conflict")).await.status,
        409
    );
}

#[tokio::test]
async fn a_request_above_the_limit_is_shed_before_its_token_is_looked_at() {
    let app = app(0);
    let stranger = Request::get("/api/things/conflict").body(Body::empty());
    assert_eq!(answer(&app, stranger.unwrap()).await.status, 503);
}
