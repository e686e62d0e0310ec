//! The guard as a layer: which callers reach the service, and what the others are told.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use civic_auth::{
    AuthError, AuthLayer, CORRELATION_ID, Cause, CorrelationIdLayer, Principal, RequireRoleLayer,
    Role,
};
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderName, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt as _};
use tower_layer::Layer;
use tower_service::Service;

use crate::support::{Claims, HEADER, NOW, bearer, cookie, minter, sign, verifier};

/// What came back, and how often the service behind the layer was reached.
struct Outcome {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
    error: Option<AuthError>,
    reached: usize,
}

/// Sends a request through a layer to a service that answers with the principal it sees.
async fn send<L, B>(layer: L, request: Request<Full<Bytes>>) -> Outcome
where
    L: Layer<BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, Infallible>>,
    L::Service: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error = Infallible>,
{
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    let handler = tower::service_fn(move |request: Request<Full<Bytes>>| {
        count.fetch_add(1, Ordering::SeqCst);
        let body = serde_json::to_vec(&request.extensions().get::<Principal>()).expect("JSON");
        async move { Ok(Response::new(Full::new(Bytes::from(body)))) }
    });
    let service = layer.layer(BoxCloneSyncService::new(handler));
    let (parts, body) = service
        .oneshot(request)
        .await
        .expect("infallible")
        .into_parts();
    let exact = body.size_hint().exact();
    let bytes = body.collect().await.expect("infallible").to_bytes();
    assert_eq!(
        exact,
        Some(bytes.len() as u64),
        "the length is known beforehand"
    );
    Outcome {
        status: parts.status,
        headers: parts.headers,
        error: parts.extensions.get().copied(),
        body: serde_json::from_slice(&bytes).expect("JSON"),
        reached: reached.load(Ordering::SeqCst),
    }
}

fn request(path: &str, headers: HeaderMap) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = path.parse().expect("a path");
    *request.headers_mut() = headers;
    request
}

fn fields(fields: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    headers
}

/// Sends these headers to the guard, with a correlation id.
async fn guarded(mut headers: HeaderMap) -> Outcome {
    headers.insert(CORRELATION_ID, HeaderValue::from_static("req-1"));
    let layer = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(AuthLayer::new(verifier()));
    send(layer, request("/api/whoami", headers)).await
}

#[track_caller]
fn refused(outcome: &Outcome, status: u16, message: &str, challenge: &str) {
    assert_eq!(outcome.reached, 0, "the service must not be reached");
    assert_eq!(outcome.status, status);
    assert_eq!(
        outcome
            .error
            .map(|error| (error.status().as_u16(), error.message())),
        Some((status, message)),
        "the reason is in the extensions"
    );
    assert_eq!(outcome.headers[WWW_AUTHENTICATE], challenge);
    assert_eq!(outcome.headers[CACHE_CONTROL], "no-store");
    assert_eq!(
        outcome.headers[CONTENT_TYPE],
        "application/json; charset=utf-8"
    );
    assert_eq!(outcome.headers[CORRELATION_ID], "req-1");
    assert_eq!(outcome.body["statusCode"], status);
    assert_eq!(outcome.body["message"], message);
    assert_eq!(outcome.body["correlationId"], "req-1");
    assert!(
        outcome.body["timestamp"]
            .as_str()
            .is_some_and(|timestamp| timestamp.ends_with('Z'))
    );
    assert_eq!(outcome.body.as_object().map(serde_json::Map::len), Some(4));
}

const INVALID: &str =
    r#"Bearer realm="civic", error="invalid_token", error_description="Invalid or expired token""#;

#[tokio::test]
async fn an_accepted_token_puts_the_principal_into_the_extensions() {
    let outcome = guarded(bearer(minter().mint().as_str())).await;
    assert_eq!((outcome.status, outcome.reached), (StatusCode::OK, 1));
    assert_eq!(
        outcome.body,
        json!({
            "userId": "00000000-0000-0000-0000-000000000000",
            "email": "service@internal",
            "role": "SERVICE_ACCOUNT",
            "municipalityId": "internal",
            "name": "Internal Service",
            "iat": NOW,
            "exp": NOW + 30,
        })
    );
    let outcome = guarded(cookie(&Claims::user().without("iat").token())).await;
    assert_eq!(outcome.body["name"], "Zoë");
    assert_eq!(outcome.body.get("iat"), None);
}

#[tokio::test]
async fn nothing_sent_is_401_without_an_error_code() {
    for headers in [
        HeaderMap::new(),
        fields(&[(AUTHORIZATION, "")]),
        fields(&[(AUTHORIZATION, "Basic dXNlcjpwYXNz")]),
        fields(&[(COOKIE, "a=b")]),
        cookie(""),
    ] {
        refused(
            &guarded(headers).await,
            401,
            "Missing authentication token",
            r#"Bearer realm="civic""#,
        );
    }
}

#[tokio::test]
async fn a_bad_token_is_401_with_one_text_for_every_cause() {
    let service = Claims::service();
    let rows = [
        ("garbage", bearer("garbage")),
        ("malformed", bearer("")),
        (
            "wrong key",
            bearer(sign(
                aws_lc_rs::hmac::HMAC_SHA256,
                b"another",
                HEADER,
                service.json(),
            )),
        ),
        ("expired", bearer(service.clone().set("exp", 1).token())),
        (
            "mixed",
            bearer(service.clone().set("email", r#""a@b.example""#).token()),
        ),
        ("service in a cookie", cookie(&service.token())),
    ];
    for (name, headers) in rows {
        let outcome = guarded(headers).await;
        assert_eq!(outcome.reached, 0, "{name}");
        refused(&outcome, 401, "Invalid or expired token", INVALID);
    }
}

#[tokio::test]
async fn a_layer_outside_reads_the_cause_of_a_refusal_from_the_extensions() {
    let user = Claims::user();
    let rows = [
        (HeaderMap::new(), Cause::NothingSent),
        (bearer("garbage"), Cause::MalformedToken),
        (bearer(user.clone().set("exp", 1).token()), Cause::Expired),
        (cookie(&Claims::service().token()), Cause::ServiceFromCookie),
    ];
    for (headers, cause) in rows {
        let error = guarded(headers).await.error.expect("a refusal");
        assert_eq!(error.cause(), cause);
    }
    let low = with_role(
        RequireRoleLayer::new(Role::Treasurer),
        "/api",
        Some(user.token()),
    );
    let error = low.await.error.expect("a refusal");
    assert_eq!(error.cause(), Cause::RoleTooLow);
    assert!(guarded(bearer(user.token())).await.error.is_none());
}

#[tokio::test]
async fn duplicate_authorization_is_400() {
    let token = format!("Bearer {}", minter().mint().as_str());
    for second in [&*token, "Bearer other", "Basic dXNlcjpwYXNz", ""] {
        let outcome = guarded(fields(&[(AUTHORIZATION, &token), (AUTHORIZATION, second)])).await;
        refused(
            &outcome,
            400,
            "Ambiguous authentication token",
            r#"Bearer realm="civic", error="invalid_request", error_description="Ambiguous authentication token""#,
        );
    }
}

#[tokio::test]
async fn two_different_cookies_are_400() {
    let user = Claims::user().token();
    let twice = format!("app_access_token={user}; app_access_token=other");
    assert_eq!(guarded(fields(&[(COOKIE, &twice)])).await.status, 400);
    let same = format!("app_access_token={user}; app_access_token={user}");
    assert_eq!(guarded(fields(&[(COOKIE, &same)])).await.status, 200);
}

#[tokio::test]
async fn a_bearer_that_fails_never_falls_back_to_the_cookie() {
    let good = format!("app_access_token={}", Claims::user().token());
    for bad in ["Bearer garbage", "Bearer", "bearer  ", "Bearer a b"] {
        let outcome = guarded(fields(&[(AUTHORIZATION, bad), (COOKIE, &good)])).await;
        refused(&outcome, 401, "Invalid or expired token", INVALID);
    }
    let outcome = guarded(fields(&[
        (AUTHORIZATION, "Basic dXNlcjpwYXNz"),
        (COOKIE, &good),
    ]))
    .await;
    assert_eq!(outcome.body["role"], "TAX_CLERK");
}

#[tokio::test]
async fn a_valid_header_wins_over_the_cookie() {
    let mut headers = cookie(&Claims::user().token());
    headers.extend(bearer(minter().mint().as_str()));
    assert_eq!(guarded(headers).await.body["role"], "SERVICE_ACCOUNT");
}

#[tokio::test]
async fn a_public_path_is_compared_as_a_whole() {
    let layer = || AuthLayer::new(verifier()).with_public_paths(["/health", "/health/ready"]);
    for path in [
        "/health",
        "/health/ready",
        "/health?verbose",
        "http://host.example/health",
    ] {
        let outcome = send(layer(), request(path, HeaderMap::new())).await;
        assert_eq!(
            (outcome.status, outcome.reached),
            (StatusCode::OK, 1),
            "{path}"
        );
        assert_eq!(outcome.body, Value::Null, "{path}: nobody is calling");
    }
    for path in [
        "/health/",
        "//health",
        "/HEALTH",
        "/health%2f..%2fapi",
        "/%68ealth",
        "/health;x",
        "/healthz",
        "/health/../api",
        "/api/x?y=/health",
        "/api/health",
        "/api/health-records",
        "http://host.example/api?/health",
        "/",
        "*",
    ] {
        let outcome = send(layer(), request(path, HeaderMap::new())).await;
        assert_eq!(
            (outcome.status, outcome.reached),
            (StatusCode::UNAUTHORIZED, 0),
            "{path}"
        );
        assert_eq!(outcome.body["correlationId"], "unknown", "{path}");
    }
    let mut connect = request("/", HeaderMap::new());
    *connect.method_mut() = Method::CONNECT;
    *connect.uri_mut() = "host.example:443".parse::<Uri>().expect("an authority");
    assert_eq!(send(layer(), connect).await.reached, 0);
}

#[tokio::test]
async fn a_text_that_is_not_a_path_is_never_public() {
    let layer = || AuthLayer::new(verifier()).with_public_paths(["*", "", "health"]);
    let mut options = request("*", HeaderMap::new());
    *options.method_mut() = Method::OPTIONS;
    assert_eq!(send(layer(), options).await.reached, 0, "OPTIONS *");
    let mut connect = request("/", HeaderMap::new());
    *connect.method_mut() = Method::CONNECT;
    *connect.uri_mut() = "host.example:443".parse::<Uri>().expect("an authority");
    assert_eq!(send(layer(), connect).await.reached, 0, "CONNECT");
}

#[tokio::test]
async fn on_a_public_path_even_a_good_token_makes_no_principal() {
    let layer = AuthLayer::new(verifier()).with_public_paths(["/health"]);
    let outcome = send(layer, request("/health", bearer(minter().mint().as_str()))).await;
    assert_eq!(outcome.body, Value::Null);
}

#[tokio::test]
async fn no_path_is_public_by_default() {
    let outcome = send(
        AuthLayer::new(verifier()),
        request("/health", HeaderMap::new()),
    )
    .await;
    assert_eq!(outcome.reached, 0);
}

#[tokio::test]
async fn only_the_guard_says_who_is_calling() {
    let principal = verifier()
        .verify(&bearer(Claims::user().token()))
        .expect("a good token");
    let layer = || AuthLayer::new(verifier()).with_public_paths(["/health"]);

    let mut spoofed = request("/health", HeaderMap::new());
    spoofed.extensions_mut().insert(principal.clone());
    assert_eq!(send(layer(), spoofed).await.body, Value::Null);

    let mut spoofed = request(
        "/api",
        fields(&[
            (HeaderName::from_static("x-user-role"), "SYSTEM_ADMIN"),
            (HeaderName::from_static("x-principal"), "{}"),
        ]),
    );
    spoofed.extensions_mut().insert(principal);
    assert_eq!(send(layer(), spoofed).await.status, 401);
}

#[tokio::test]
async fn a_role_requirement_means_this_or_higher() {
    for required in Role::ALL {
        for own in Role::ALL {
            let token = match own {
                Role::ServiceAccount => Claims::service().token(),
                own => Claims::user().set("role", format!("\"{own}\"")).token(),
            };
            let layer = ServiceBuilder::new()
                .layer(AuthLayer::new(verifier()))
                .layer(RequireRoleLayer::new(required));
            let outcome = send(layer, request("/api", bearer(token))).await;
            let expected = if own.level() >= required.level() {
                200
            } else {
                403
            };
            assert_eq!(
                outcome.status, expected,
                "{own} where {required} is required"
            );
        }
    }
}

async fn with_role(roles: RequireRoleLayer, path: &str, token: Option<String>) -> Outcome {
    let mut headers = token.map(bearer).unwrap_or_default();
    headers.insert(CORRELATION_ID, HeaderValue::from_static("req-1"));
    let layer = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(AuthLayer::new(verifier()).with_public_paths(["/public"]))
        .layer(roles);
    send(layer, request(path, headers)).await
}

#[tokio::test]
async fn a_role_that_is_too_low_is_403() {
    let outcome = with_role(
        RequireRoleLayer::new(Role::Treasurer),
        "/api",
        Some(Claims::user().token()),
    )
    .await;
    refused(
        &outcome,
        403,
        "Insufficient role permissions",
        r#"Bearer realm="civic", error="insufficient_scope", error_description="Insufficient role permissions""#,
    );
}

#[tokio::test]
async fn of_several_required_roles_the_lowest_counts() {
    let roles = RequireRoleLayer::any_of([Role::Treasurer, Role::CounterStaff, Role::SystemAdmin]);
    assert_eq!(
        with_role(roles, "/api", Some(Claims::user().token()))
            .await
            .status,
        200
    );
    let reader = Claims::user().set("role", r#""READ_ONLY""#).token();
    assert_eq!(with_role(roles, "/api", Some(reader)).await.status, 403);
}

#[tokio::test]
async fn an_empty_list_of_roles_refuses_every_caller() {
    let outcome = with_role(
        RequireRoleLayer::any_of([]),
        "/api",
        Some(Claims::service().token()),
    )
    .await;
    assert_eq!(
        (outcome.status, outcome.reached),
        (StatusCode::FORBIDDEN, 0)
    );
}

#[tokio::test]
async fn an_unknown_role_fails_every_requirement() {
    for required in Role::ALL {
        let token = Claims::user().set("role", r#""MAYOR""#).token();
        assert_eq!(
            with_role(RequireRoleLayer::new(required), "/api", Some(token))
                .await
                .status,
            403,
            "{required}"
        );
    }
    let token = Claims::user().set("role", r#""MAYOR""#).token();
    assert_eq!(guarded(bearer(token)).await.status, 200);
}

#[tokio::test]
async fn a_required_role_without_a_principal_is_401() {
    for path in ["/public", "/api"] {
        let outcome = with_role(RequireRoleLayer::new(Role::ReadOnly), path, None).await;
        refused(
            &outcome,
            401,
            "Missing authentication token",
            r#"Bearer realm="civic""#,
        );
    }
    // No guard in front at all.
    let headers = bearer(minter().mint().as_str());
    let outcome = send(
        RequireRoleLayer::new(Role::ReadOnly),
        request("/api", headers),
    )
    .await;
    assert_eq!(
        (outcome.status, outcome.reached),
        (StatusCode::UNAUTHORIZED, 0)
    );
}
