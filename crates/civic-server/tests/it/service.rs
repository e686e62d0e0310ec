//! The standard stack: each answer in one shape, with the request's id, whatever made it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::routing::{get, post};
use civic_auth::{AuthLayer, RequireRoleLayer, Role, UserClaims};
use civic_server::{Failure, InvalidPrefix, Json, Service};
use civic_testkit::log::Capture;
use http::header::{ACCEPT_ENCODING, COOKIE};
use http::{Method, Request, StatusCode};

use crate::support::{PREFIX, answer, minter, request, send, service, verifier};

fn app() -> Router {
    let conflict = async || Err::<(), _>(Failure::new(StatusCode::CONFLICT, "the roll is closed"));
    let panics = async || -> Json<u8> { panic!("a bug with a secret") };
    service(
        Router::new()
            .route("/x", get(async || Json(1)))
            .route("/long", get(async || Json("long ".repeat(1000))))
            .route("/conflict", get(conflict))
            .route("/panics", get(panics))
            .route(
                "/role",
                get(async || Json(1)).route_layer(RequireRoleLayer::new(Role::ReadOnly)),
            ),
    )
}

async fn ask(path: &str) -> crate::support::Answer {
    send(&app(), request(Method::GET, path)).await
}

#[tokio::test]
async fn an_answer_of_a_handler_is_wrapped_and_has_the_requests_id() {
    let answer = ask("/api/things/x").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["data"], 1);
    assert_eq!(answer.json()["success"], true);
    assert_eq!(answer.header("x-envelope"), Some("1"));
    assert_eq!(answer.header("x-correlation-id"), Some("req-1"));
}

#[tokio::test]
async fn every_error_has_the_platforms_shape_and_the_requests_id() {
    for (path, status, message) in [
        ("/nowhere", 404, "Cannot GET /nowhere"),
        ("/api/things/nothing", 404, "Cannot GET /api/things/nothing"),
        ("/api/things/conflict", 409, "the roll is closed"),
        ("/api/things/panics", 500, "Internal server error"),
    ] {
        ask(path).await.assert_error(status, message);
    }
    let wrong_method = request(Method::DELETE, "/api/things/x");
    let answer = send(&app(), wrong_method).await;
    answer.assert_error(405, "Cannot DELETE /api/things/x");
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn the_length_of_a_refused_head_is_that_of_get() {
    for path in ["/nowhere", "/api/things/conflict", "/api/things/panics"] {
        let get = ask(path).await;
        let head = send(&app(), request(Method::HEAD, path)).await;
        assert_eq!(head.status, get.status, "{path}");
        assert!(head.body.is_empty(), "{path}");
        // The path is in the words of a 404, and HEAD is one letter longer than GET.
        let longer = usize::from(path == "/nowhere");
        let expected = (get.body.len() + longer).to_string();
        assert_eq!(head.header("content-length"), Some(&*expected), "{path}");
    }
}

#[tokio::test]
async fn the_text_of_a_panic_is_logged_with_the_requests_id_and_never_sent() {
    let capture = Capture::start();
    let answer = ask("/api/things/panics").await;
    assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
    let text = capture.text();
    let line = text
        .lines()
        .find(|line| line.contains("a bug with a secret"));
    assert!(line.expect("it is logged").contains("req-1"), "{text}");
}

#[tokio::test]
async fn routes_are_guarded_and_unknown_paths_and_health_are_not() {
    let anonymous = |path: &str| {
        Request::builder()
            .uri(path)
            .header("x-correlation-id", "req-1")
            .body(Body::empty())
            .unwrap()
    };
    let refused = answer(&app(), anonymous("/api/things/x")).await;
    refused.assert_error(401, "Missing authentication token");
    let unknown = answer(&app(), anonymous("/api/things/nothing")).await;
    unknown.assert_error(404, "Cannot GET /api/things/nothing");
    for path in ["/health", "/health/ready"] {
        for path in [path.to_owned(), format!("{PREFIX}{path}")] {
            let answer = answer(&app(), anonymous(&path)).await;
            assert_eq!(answer.status, 200, "{path}");
            let body = std::str::from_utf8(&answer.body).unwrap();
            let ok = r#"{"status":"ok","info":{},"error":{},"details":{}}"#;
            assert_eq!(body, ok, "{path}");
            assert_eq!(answer.header("x-correlation-id"), Some("req-1"));
        }
    }
}

#[tokio::test]
async fn public_routes_need_no_token_and_have_the_rest_of_the_stack() {
    let app = Service::new(PREFIX, verifier())
        .unwrap()
        .public(Router::new().route("/open", get(async || Json(1))))
        .into_router();
    let request = Request::get("/api/things/open").body(Body::empty());
    let answer = answer(&app, request.unwrap()).await;
    assert_eq!(
        (answer.status, &answer.json()["data"]),
        (StatusCode::OK, &1.into())
    );
}

#[tokio::test]
async fn a_service_without_any_route_answers_its_health() {
    let app = Service::new(PREFIX, verifier())
        .unwrap()
        .limit(1)
        .into_router();
    assert_eq!(
        send(&app, request(Method::GET, "/health")).await.status,
        200
    );
}

#[tokio::test]
async fn a_service_may_do_without_envelope_compression_and_deadline() {
    let slow = async || {
        tokio::task::yield_now().await;
        Json("long ".repeat(1000))
    };
    let app = Service::new(PREFIX, verifier())
        .unwrap()
        .guarded(Router::new().route("/x", get(slow)))
        .without_envelope()
        .without_compression()
        .without_deadline()
        .into_router();
    let asked = request(Method::GET, "/api/things/x")
        .header(ACCEPT_ENCODING, "gzip")
        .header("x-request-timeout-ms", "1");
    let answer = send(&app, asked).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-envelope"), None);
    assert_eq!(answer.header("content-encoding"), None);
}

#[tokio::test]
async fn an_envelope_with_options_still_leaves_health_alone() {
    let envelope = civic_envelope::EnvelopeLayer::new().without_excluded_paths();
    let app = Service::new(PREFIX, verifier())
        .unwrap()
        .envelope(envelope)
        .into_router();
    for path in ["/health", "/health/ready", "/api/things/health"] {
        let answer = send(&app, request(Method::GET, path)).await;
        assert_eq!(answer.json()["status"], "ok", "{path}");
    }
}

#[tokio::test]
async fn a_route_may_ask_for_a_role() {
    assert_eq!(ask("/api/things/role").await.status, 200);
}

#[tokio::test]
async fn a_long_answer_is_compressed_outside_of_its_envelope_and_a_short_one_is_not() {
    for (path, coding) in [("/long", Some("gzip")), ("/x", None)] {
        let request = request(Method::GET, &format!("{PREFIX}{path}"));
        let answer = send(&app(), request.header(ACCEPT_ENCODING, "gzip")).await;
        assert_eq!(answer.header("content-encoding"), coding, "{path}");
        assert_eq!(answer.header("x-envelope"), Some("1"), "{path}");
    }
}

#[tokio::test]
async fn each_request_is_a_span_with_method_route_and_id_and_no_credential() {
    let capture = Capture::start();
    let request = request(Method::GET, "/api/things/x?q=secret-query");
    let token = request.headers_ref().unwrap()["authorization"].clone();
    send(&app(), request.header("cookie", "theme=secret-cookie")).await;
    let spans = capture.spans();
    let span = spans
        .iter()
        .find(|span| span.fields.get("http.route").is_some());
    let fields = &span.expect("a span").fields;
    assert_eq!(fields.get("http.request.method"), Some("GET"));
    assert_eq!(fields.get("http.route"), Some("/api/things/x"));
    assert_eq!(fields.get("correlation_id"), Some("req-1"));
    let text = capture.text();
    let token = token.to_str().unwrap().rsplit('.').next().unwrap();
    for unsaid in [token, "secret-query", "secret-cookie"] {
        assert!(!text.contains(unsaid), "{unsaid}: {text}");
    }
}

#[tokio::test]
async fn a_request_is_a_span_of_a_server_in_the_terms_of_opentelemetry() {
    for (method, path, name, status, failed) in [
        ("GET", "/api/things/x", "GET /api/things/x", "200", None),
        (
            "GET",
            "/api/things/conflict",
            "GET /api/things/conflict",
            "409",
            None,
        ),
        (
            "GET",
            "/api/things/panics",
            "GET /api/things/panics",
            "500",
            Some("ERROR"),
        ),
        // Of what callers make up nothing becomes a name.
        ("GET", "/api/things/made-up", "GET", "404", None),
        ("BREW", "/api/things/x", "_OTHER /api/things/x", "405", None),
    ] {
        let capture = Capture::start();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        send(&app(), request(method, path)).await;
        let spans = capture.spans();
        let span = spans
            .iter()
            .find(|span| span.fields.get("otel.kind") == Some("server"));
        let fields = &span.unwrap_or_else(|| panic!("no span: {path}")).fields;
        assert_eq!(fields.get("otel.name"), Some(name), "{path}");
        assert_eq!(
            fields.get("http.response.status_code"),
            Some(status),
            "{path}"
        );
        assert_eq!(fields.get("otel.status_code"), failed, "{path}");
    }
}

#[test]
fn a_prefix_that_no_route_can_have_is_refused_in_words() {
    for prefix in ["", "/", "api", "/api/", "/api/{id}", "/{*rest}", "/a*"] {
        let refused = Service::new(prefix, verifier());
        let error: InvalidPrefix = refused.expect_err(prefix);
        let words = error.to_string();
        assert_eq!(format!("{error:?}"), words, "what a main prints");
        assert!(words.contains(&format!("{prefix:?}")), "{words}");
        assert!(
            words.contains("such as") || words.contains("example"),
            "{words}"
        );
    }
    Service::new("/api/things", verifier()).expect("a good prefix");
}

#[tokio::test]
async fn the_guard_can_be_given_with_its_options() {
    let effects = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&effects);
    let pay = async move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Json(1)
    };
    let guard = AuthLayer::new(verifier())
        .with_audit(|extensions| Some(extensions.get::<MatchedPath>()?.as_str().to_owned()));
    let app = Service::new(PREFIX, guard)
        .expect("a good prefix")
        .guarded(Router::new().route("/bills/{id}", post(pay)))
        .into_router();

    let capture = Capture::start();
    let bill = "/api/things/bills/7";
    assert_eq!(send(&app, request(Method::POST, bill)).await.status, 200);
    let user = UserClaims::new("u-1", "clerk@town.example", Role::TaxClerk);
    let token = minter().mint_for(&user, Duration::from_secs(60));
    // What a form on another site's page sends.
    let form = Request::post(bill)
        .header(COOKIE, format!("app_access_token={}", token.as_str()))
        .header("host", "desk.town.example")
        .header("origin", "https://evil.example")
        .header("sec-fetch-site", "cross-site")
        .header("x-correlation-id", "req-1");
    send(&app, form)
        .await
        .assert_error(403, "Cross-site request refused");
    assert_eq!(effects.load(Ordering::Relaxed), 1);

    let log = capture.text();
    let audits: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("civic_auth::audit"))
        .collect();
    assert_eq!(audits.len(), 2, "{log}");
    for (line, outcome) in audits.iter().zip(["answered", "cross_site"]) {
        assert!(line.contains(r#"route="/api/things/bills/{id}""#), "{line}");
        assert!(line.contains(&format!("outcome=\"{outcome}\"")), "{line}");
    }
}
