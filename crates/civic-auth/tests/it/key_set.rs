//! The public keys of a service, as others fetch them.

use std::sync::Arc;
use std::time::Duration;

use civic_auth::{
    Algorithm, CorrelationIdLayer, KeySet, KeySetService, KeySource, SharedKeySet, SigningKey,
    VerifyingKey,
};
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use serde_json::Value;
use tower::{Layer, ServiceExt};

use crate::support::{SECRET, b64, secret};

fn public(id: &str) -> VerifyingKey {
    let pem = SigningKey::generate_pem(Algorithm::EdDsa).expect("random numbers");
    let key = SigningKey::from_pem(pem.as_str()).and_then(|key| key.with_id(id));
    key.expect("a key").public_key().expect("not a secret")
}

async fn ask(
    service: &KeySetService,
    method: Method,
    headers: &[(&str, &str)],
) -> Response<String> {
    let mut request = Request::builder().method(method);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).expect("a request");
    let answer = service.clone().oneshot(request).await.expect("infallible");
    let (head, body) = answer.into_parts();
    let exact = body.size_hint().exact();
    let body = body.collect().await.expect("infallible").to_bytes();
    assert_eq!(exact, Some(body.len() as u64));
    Response::from_parts(head, String::from_utf8(body.to_vec()).expect("text"))
}

async fn get(service: &KeySetService) -> Response<String> {
    ask(service, Method::GET, &[]).await
}

#[tokio::test]
async fn a_set_is_served_as_rfc_7517_says_with_the_age_for_which_it_may_be_used() {
    let service = KeySetService::new(SharedKeySet::new(public("b-1")));
    let answer = get(&service).await;
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "application/jwk-set+json");
    assert_eq!(header("cache-control"), "public, max-age=300");
    assert_eq!(header("content-length"), answer.body().len().to_string());
    assert!(header("etag").starts_with('"') && header("etag").len() == 34);
    let keys = KeySet::from_jwks(answer.body().as_bytes()).expect("a set");
    assert_eq!(
        keys.iter().map(VerifyingKey::id).collect::<Vec<_>>(),
        [Some("b-1")]
    );

    let service = service.with_max_age(Duration::from_millis(60_900));
    assert_eq!(
        get(&service).await.headers()["cache-control"],
        "public, max-age=60"
    );
}

#[tokio::test]
async fn a_shared_secret_is_never_served_and_neither_are_the_keys_of_others() {
    let (own, free, other) = (
        public("b-1").issued_by("billing"),
        public("b-2"),
        public("p-1").issued_by("payroll"),
    );
    let keys = KeySet::from(secret())
        .with_key(own)
        .with_key(free)
        .with_key(other);
    let all = KeySetService::new(SharedKeySet::new(keys));
    let ids = |answer: &Response<String>| {
        let json: Value = serde_json::from_str(answer.body()).expect("JSON");
        let keys = json["keys"].as_array().expect("a list").clone();
        keys.iter()
            .map(|key| key["kid"].as_str().expect("an id").to_owned())
            .collect::<Vec<_>>()
    };
    let answer = get(&all).await;
    assert_eq!(ids(&answer), ["b-1", "b-2", "p-1"]);
    let secret = b64(SECRET);
    assert!(!answer.body().contains(&secret) && !answer.body().contains("oct"));
    assert!(!answer.body().contains(r#""d""#));

    let own = all.clone().with_issuer("billing");
    assert_eq!(ids(&get(&own).await), ["b-1", "b-2"]);
    assert_ne!(get(&own).await.headers()["etag"], answer.headers()["etag"]);

    let secret_only = KeySetService::new(SharedKeySet::new(KeySet::from(crate::support::secret())));
    assert_eq!(get(&secret_only).await.body(), r#"{"keys":[]}"#);
}

#[tokio::test]
async fn a_rotated_set_is_served_at_once_and_a_known_one_is_304() {
    let keys = SharedKeySet::new(public("b-1"));
    let service = KeySetService::new(keys.clone());
    let first = get(&service).await.headers()["etag"]
        .to_str()
        .expect("text")
        .to_owned();
    for tags in [
        first.clone(),
        format!("W/{first}"),
        format!("\"other\", {first}"),
        "*".to_owned(),
    ] {
        let answer = ask(&service, Method::GET, &[("if-none-match", &tags)]).await;
        assert_eq!(
            (answer.status().as_u16(), &**answer.body()),
            (304, ""),
            "{tags}"
        );
        assert_eq!(answer.headers()["etag"], *first);
        assert_eq!(answer.headers()["cache-control"], "public, max-age=300");
        assert!(!answer.headers().contains_key("content-length"), "{tags}");
    }
    let two = [("if-none-match", "\"x\""), ("if-none-match", &*first)];
    assert_eq!(ask(&service, Method::GET, &two).await.status(), 304);

    keys.replace(public("b-2"));
    let stale = [("if-none-match", &*first)];
    let answer = ask(&service, Method::GET, &stale).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.body().contains("b-2") && !answer.body().contains("b-1"));
    for tags in ["", "b", "\"\"", &first.replace('"', "")] {
        let answer = ask(&service, Method::GET, &[("if-none-match", tags)]).await;
        assert_eq!(answer.status(), 200, "{tags}");
    }
}

#[tokio::test]
async fn the_same_keys_have_the_same_tag_in_every_replica() {
    let key = public("b-1");
    let tags = [key.clone(), key].map(|key| KeySetService::new(SharedKeySet::new(key)));
    let [one, other] = &tags;
    assert_eq!(
        get(one).await.headers()["etag"],
        get(other).await.headers()["etag"]
    );
}

#[tokio::test]
async fn head_is_get_without_its_body_and_another_method_is_405() {
    let service = KeySetService::new(SharedKeySet::new(public("b-1")));
    let (get, head) = (get(&service).await, ask(&service, Method::HEAD, &[]).await);
    assert_eq!(
        (head.status(), head.headers()),
        (get.status(), get.headers())
    );
    assert_eq!(head.body(), "");
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
        Method::CONNECT,
    ] {
        let answer = ask(&service, method.clone(), &[]).await;
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.headers()["allow"], "GET, HEAD");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let json: Value = serde_json::from_str(answer.body()).expect("JSON");
        assert_eq!(json["statusCode"], 405);
        assert_eq!(json["message"], "Method Not Allowed");
    }
}

#[tokio::test]
async fn without_keys_the_answer_is_503_with_retry_after() {
    struct NoKeys;
    impl KeySource for NoKeys {
        fn current(&self) -> Option<Arc<KeySet>> {
            None
        }
    }
    let service = KeySetService::new(NoKeys);
    let answer = get(&service).await;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert!(!answer.headers().contains_key("x-should-retry"));
    assert_eq!(ask(&service, Method::HEAD, &[]).await.body(), "");

    let named = CorrelationIdLayer::new().layer(service);
    let mut request = Request::new(());
    let id = http::HeaderValue::from_static("req-1");
    request.headers_mut().insert("x-correlation-id", id);
    let answer = named.oneshot(request).await.expect("infallible");
    let body = answer.into_body().collect().await.expect("infallible");
    let json: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
    assert_eq!(json["correlationId"], "req-1");
}

#[tokio::test]
async fn it_is_a_service_of_an_axum_router() {
    let service = KeySetService::new(SharedKeySet::new(public("b-1")));
    let routes = axum::Router::<()>::new()
        .route_service("/.well-known/jwks.json", service.clone())
        .nest_service("/keys", service);
    for path in ["/.well-known/jwks.json", "/keys"] {
        let request = Request::get(path)
            .body(axum::body::Body::empty())
            .expect("a request");
        let answer = routes.clone().oneshot(request).await.expect("infallible");
        assert_eq!(answer.status(), 200, "{path}");
    }
}
