//! Edge mode: what a stranger sends means nothing, and what a service sends means what it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{get, post};
use civic_auth::{
    AuthLayer, CookieRules, InternalHeadersLayer, Principal, RequestContext, Role,
    TransactionTokens, UserClaims, uuid_correlation_id,
};
use civic_server::layer::edge::OriginalCorrelationId;
use civic_server::{Json, Service};
use civic_testkit::log::Capture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

use crate::support::{Answer, PREFIX, answer, minter, secret, verifier};

const INTERNAL: [&str; 4] = [
    "x-request-timeout-ms",
    "x-retry-attempt",
    "txn-token",
    "x-fence",
];

/// A service that tells what it sees of a request, behind the guard and in front of none.
fn app(mode: fn(Service) -> Service) -> Router {
    let guard = AuthLayer::new(verifier())
        .with_transactions(TransactionTokens::from_secrets(secret(), "desk"));
    let service = Service::new(PREFIX, guard)
        .unwrap()
        .guarded(Router::new().route("/x", get(seen).post(seen)))
        .public(Router::new().route("/open", get(seen)));
    mode(service).into_router()
}

async fn seen(request: Request) -> Json<Value> {
    let context = RequestContext::current();
    let headers: Vec<_> = INTERNAL
        .into_iter()
        .filter(|name| request.headers().contains_key(*name))
        .collect();
    let caller = request.extensions().get::<Principal>();
    let deadline = context.deadline().map(|until| until - Instant::now());
    let original = request.extensions().get::<OriginalCorrelationId>();
    Json(json!({
        "headers": headers,
        "deadlineMs": deadline.map(|left| left.as_millis() as u64),
        "retryAttempt": context.retry_attempt(),
        "user": caller.and_then(|caller| Some(caller.on_behalf_of()?.user_id())),
        "correlationId": context.correlation_id().map(ToString::to_string),
        "original": original.map(OriginalCorrelationId::as_str),
    }))
}

/// What a user's browser sends.
fn user() -> HeaderMap {
    let claims = UserClaims::new("u-1", "clerk@town.example", Role::TaxClerk);
    let token = minter().mint_for(&claims, Duration::from_secs(600));
    HeaderMap::from_iter([(AUTHORIZATION, token.to_header_value())])
}

fn service() -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, minter().mint().to_header_value())])
}

/// The transaction token that a service sends for a user.
async fn transaction() -> HeaderValue {
    let tokens = TransactionTokens::from_secrets(secret(), "front");
    let client = ServiceBuilder::new()
        .layer(InternalHeadersLayer::new(minter()))
        .service_fn(|request: Request| async move {
            let token = request.headers()["txn-token"].clone();
            Ok::<_, BoxError>(token)
        });
    let app = Router::new().route(
        "/",
        get(async move || {
            let token = client.oneshot(Request::new(Body::empty())).await.unwrap();
            token.to_str().unwrap().to_owned()
        }),
    );
    let app = app.layer(
        ServiceBuilder::new()
            .layer(civic_auth::CorrelationIdLayer::new())
            .layer(AuthLayer::new(verifier()).with_transactions(tokens)),
    );
    let minted = send(&app, Method::GET, "/", user()).await;
    HeaderValue::from_bytes(&minted.body).unwrap()
}

/// Adds every internal header.
async fn marked(mut headers: HeaderMap) -> HeaderMap {
    for (name, value) in [
        ("x-request-timeout-ms", "5000"),
        ("x-retry-attempt", "2"),
        ("x-fence", "a=1"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.append("x-fence", HeaderValue::from_static("b=2"));
    headers.insert("txn-token", transaction().await);
    headers
}

async fn send(app: &Router, method: Method, path: &str, headers: HeaderMap) -> Answer {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    *request.headers_mut() = headers;
    answer(app, request).await
}

#[tokio::test]
async fn a_strangers_internal_headers_are_removed_and_a_services_are_read_behind_the_guard() {
    let app = app(Service::edge);
    let guarded = format!("{PREFIX}/x");
    let open = format!("{PREFIX}/open");
    for (name, path, headers) in [
        ("a user", &guarded, user()),
        ("no one, on a public route", &open, HeaderMap::new()),
        ("a service, on a public route", &open, service()),
    ] {
        let answer = send(&app, Method::GET, path, marked(headers).await).await;
        assert_eq!(answer.status, 200, "{name}: {:?}", answer.body);
        let data = &answer.json()["data"];
        assert_eq!(data["headers"], json!([]), "{name}");
        for member in ["deadlineMs", "retryAttempt", "user"] {
            assert_eq!(data[member], Value::Null, "{name}: {member}");
        }
    }

    let answer = send(&app, Method::GET, &guarded, marked(service()).await).await;
    let data = &answer.json()["data"];
    assert_eq!(data["headers"], json!(INTERNAL));
    assert_eq!(data["retryAttempt"], 2);
    assert_eq!(data["user"], "u-1");
    let left = data["deadlineMs"].as_u64().unwrap();
    assert!((1..=5000).contains(&left), "{left}");
}

#[tokio::test]
async fn without_edge_mode_they_are_read_of_everyone_as_ever() {
    let app = app(|service| service);
    let path = format!("{PREFIX}/open");
    let answer = send(&app, Method::GET, &path, marked(HeaderMap::new()).await).await;
    let data = &answer.json()["data"];
    assert_eq!(data["headers"], json!(INTERNAL));
    assert_eq!(data["retryAttempt"], 2);
    assert!(data["deadlineMs"].is_u64());
    assert_eq!(data["user"], Value::Null, "only a guard reads it");
}

#[tokio::test]
async fn a_services_transaction_token_is_checked_and_a_users_is_not_looked_at() {
    let app = app(Service::edge);
    let path = format!("{PREFIX}/x");
    for (name, mut headers, status) in [("a service", service(), 401), ("a user", user(), 200)] {
        headers.insert("txn-token", HeaderValue::from_static("not.a.token"));
        let answer = send(&app, Method::GET, &path, headers.clone()).await;
        assert_eq!(answer.status, status, "{name}");
        // Two of them are none, and never one.
        headers.insert("txn-token", transaction().await);
        headers.append("txn-token", transaction().await);
        let answer = send(&app, Method::GET, &path, headers).await;
        assert_eq!(answer.status, status, "{name}, with two");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_cannot_have_its_request_cancelled_and_a_service_can() {
    let slow = async || {
        tokio::time::sleep(Duration::from_secs(10)).await;
        Json("done")
    };
    let app = Service::new(PREFIX, verifier())
        .unwrap()
        .guarded(Router::new().route("/slow", get(slow)))
        .edge()
        .into_router();
    let path = format!("{PREFIX}/slow");
    for (name, mut headers, status, millis) in [
        ("a user", user(), 200, 10_000),
        ("a service", service(), 504, 50),
    ] {
        headers.insert("x-request-timeout-ms", HeaderValue::from_static("50"));
        let start = Instant::now();
        let answer = send(&app, Method::GET, &path, headers).await;
        assert_eq!(answer.status, status, "{name}");
        let took = start.elapsed().as_millis();
        assert!((millis..=millis + 1).contains(&took), "{name}: {took} ms");
    }
}

#[tokio::test]
async fn a_correlation_id_from_outside_becomes_a_uuid_and_the_original_is_in_the_span() {
    let app = app(Service::edge);
    let path = format!("{PREFIX}/open");
    let kept = "3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10";
    let kong = "3f0e8a52-6c1e-4a3a-9f63-0b1d3f6f6a10#7";
    for (sent, original) in [
        (kept, None),
        (&*kept.to_ascii_uppercase(), Some(kept.to_ascii_uppercase())),
        (kong, Some(kong.to_owned())),
        ("req-1", Some("req-1".to_owned())),
        ("two \"words\"", Some("two \\\"words\\\"".to_owned())),
        (&"x".repeat(1000), Some("x".repeat(128))),
    ] {
        let capture = Capture::start();
        let headers = HeaderMap::from_iter([(
            "x-correlation-id".parse().unwrap(),
            HeaderValue::from_str(sent).unwrap(),
        )]);
        let answer = send(&app, Method::GET, &path, headers).await;
        let id = uuid_correlation_id(sent.as_bytes());
        assert_eq!(answer.header("x-correlation-id"), Some(id.as_str()));
        let data = &answer.json()["data"];
        assert_eq!(data["correlationId"], id.as_str());
        assert_eq!(data["original"], json!(original), "{sent:.50}");
        let spans = capture.spans();
        let logged = spans
            .iter()
            .find_map(|span| span.fields.get("correlation_id.original"));
        assert_eq!(logged, original.as_deref(), "{sent:.50}");
    }

    // None and two are a new one.
    for count in [0, 2] {
        let mut headers = HeaderMap::new();
        for _ in 0..count {
            headers.append("x-correlation-id", HeaderValue::from_static(kept));
        }
        let answer = send(&app, Method::GET, &path, headers).await;
        let id = answer.header("x-correlation-id").unwrap();
        assert_eq!(&id[14..15], "4", "{id} is a random one");
        assert_ne!(id, kept);
        assert_eq!(answer.json()["data"]["original"], Value::Null);
    }
}

#[tokio::test]
async fn a_form_of_another_site_makes_no_effect_and_everyone_else_is_unaffected() {
    let effects = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&effects);
    let effect = async move || {
        count.fetch_add(1, Ordering::Relaxed);
        Json("done")
    };
    let cookies = CookieRules::default()
        .with_trusted_origins(["https://ui.example"])
        .unwrap();
    let app = Service::new(PREFIX, verifier().with_cookie(cookies))
        .unwrap()
        .guarded(Router::new().route("/effect", post(effect)))
        .edge()
        .into_router();

    let token = user().remove(AUTHORIZATION).unwrap();
    let token = token
        .to_str()
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap()
        .to_owned();
    let cookie = (COOKIE.as_str(), format!("app_access_token={token}"));
    let bearer = (AUTHORIZATION.as_str(), format!("Bearer {token}"));
    let field = |name: &'static str, value: &str| (name, value.to_owned());
    let form = field(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded");
    let host = field(HOST.as_str(), "desk.example");
    let evil = field(ORIGIN.as_str(), "https://evil.example");
    let cross = field("sec-fetch-site", "cross-site");
    let mut expected = 0;
    for (name, fields, status) in [
        (
            "a form of another site",
            vec![cookie.clone(), form.clone(), evil.clone(), cross.clone()],
            403,
        ),
        (
            "the same, from an old browser",
            vec![cookie.clone(), form, host, evil.clone()],
            403,
        ),
        (
            "a page of a trusted origin",
            vec![
                cookie.clone(),
                field(ORIGIN.as_str(), "https://ui.example"),
                cross.clone(),
            ],
            200,
        ),
        (
            "a page of its own",
            vec![cookie.clone(), field("sec-fetch-site", "same-origin")],
            200,
        ),
        ("a Node backend with the cookie", vec![cookie], 200),
        ("a token in the header", vec![bearer, evil, cross], 200),
    ] {
        let mut headers = HeaderMap::new();
        for (name, value) in &fields {
            headers.insert(*name, value.parse().unwrap());
        }
        let answer = send(&app, Method::POST, &format!("{PREFIX}/effect"), headers).await;
        assert_eq!(answer.status, status, "{name}");
        expected += usize::from(status == 200);
        assert_eq!(effects.load(Ordering::Relaxed), expected, "{name}");
        if status == 403 {
            assert_eq!(answer.header("www-authenticate"), None, "{name}");
            assert_eq!(answer.json()["message"], "Cross-site request refused");
        }
    }
}
