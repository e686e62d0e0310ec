//! Principal and correlation id as arguments of an axum handler.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use civic_auth::{AuthLayer, CORRELATION_ID, CorrelationId, CorrelationIdLayer, Principal};
use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use crate::support::{Claims, bearer, verifier};

async fn send(app: Router, headers: HeaderMap) -> (Response<()>, String) {
    let mut request = Request::new(Body::empty());
    *request.headers_mut() = headers;
    let (parts, body) = app.oneshot(request).await.expect("infallible").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    (
        Response::from_parts(parts, ()),
        String::from_utf8(body.to_vec()).expect("UTF-8"),
    )
}

async fn name(principal: Principal) -> String {
    principal.name().to_owned()
}

#[tokio::test]
async fn a_handler_receives_the_principal() {
    let app = Router::new()
        .route("/", get(name))
        .layer(AuthLayer::new(verifier()));
    let (response, body) = send(app, bearer(Claims::user().token())).await;
    assert_eq!((response.status().as_u16(), &*body), (200, "Zoë"));
}

#[tokio::test]
async fn a_principal_without_a_guard_is_the_platforms_401() {
    let app = Router::new()
        .route("/", get(name))
        .layer(CorrelationIdLayer::new());
    let mut headers = bearer(Claims::user().token());
    headers.insert(CORRELATION_ID, "req-1".parse().expect("a header value"));
    let (response, body) = send(app, headers).await;
    assert_eq!(response.status(), 401);
    assert_eq!(
        response.headers()[WWW_AUTHENTICATE],
        r#"Bearer realm="civic""#
    );
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    assert!(body.starts_with(r#"{"statusCode":401,"message":"Missing authentication token","correlationId":"req-1","timestamp":""#), "{body}");
}

#[tokio::test]
async fn an_optional_principal_is_none_on_a_public_route() {
    let app = Router::new()
        .route(
            "/",
            get(|principal: Option<Principal>| async move { principal.is_some().to_string() }),
        )
        .layer(AuthLayer::new(verifier()).with_public_paths(["/"]));
    assert_eq!(send(app, HeaderMap::new()).await.1, "false");
}

#[tokio::test]
async fn a_handler_receives_the_correlation_id_that_the_answer_carries_and_needs_the_layer() {
    let handler = |id: CorrelationId, again: CorrelationId| async move {
        assert_eq!(id, again);
        id.to_string()
    };
    let app = Router::new().route("/", get(handler));
    let (response, body) = send(
        app.clone().layer(CorrelationIdLayer::new()),
        HeaderMap::new(),
    )
    .await;
    assert_eq!(response.headers()[CORRELATION_ID], body);
    let (response, body) = send(app, HeaderMap::new()).await;
    assert_eq!(response.status(), 500);
    assert!(body.contains("CorrelationIdLayer"), "{body}");
}
