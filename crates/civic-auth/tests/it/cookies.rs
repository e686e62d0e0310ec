//! A browser sends its cookie along with requests that other sites have made.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use civic_auth::{AuthError, AuthErrorKind, AuthLayer, Cause, CookieRules};
use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN, WWW_AUTHENTICATE};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use tower::{ServiceBuilder, ServiceExt as _};

use crate::support::{Claims, verifier};

/// What the guard answers, and how often the handler has run.
async fn answer(
    rules: CookieRules,
    method: Method,
    fields: &[(&str, &str)],
) -> (Response<Bytes>, usize) {
    let effects = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&effects);
    let mut request = Request::builder().method(method).uri("/supplementary");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response = ServiceBuilder::new()
        .layer(AuthLayer::new(verifier().with_cookie(rules)))
        .service_fn(move |_: Request<Empty<Bytes>>| {
            counted.fetch_add(1, Ordering::Relaxed);
            ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
        })
        .oneshot(request.body(Empty::new()).expect("a request"))
        .await
        .expect("infallible");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("infallible").to_bytes();
    let effects = effects.load(Ordering::Relaxed);
    (Response::from_parts(parts, body), effects)
}

fn token() -> String {
    format!("app_access_token={}", Claims::user().token())
}

#[tokio::test]
async fn a_form_of_another_site_makes_no_effect_and_is_answered_with_403_without_a_challenge() {
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let (response, effects) = answer(
            CookieRules::default(),
            method.clone(),
            &[
                (COOKIE.as_str(), &token()),
                (HOST.as_str(), "desk.town.example"),
                (ORIGIN.as_str(), "https://evil.example"),
                ("sec-fetch-site", "cross-site"),
                ("content-type", "application/x-www-form-urlencoded"),
            ],
        )
        .await;
        assert_eq!((response.status().as_u16(), effects), (403, 0), "{method}");
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
        let error: &AuthError = response.extensions().get().expect("the reason");
        assert_eq!(error.cause(), Cause::CrossSite);
        assert_eq!(error.kind(), AuthErrorKind::CrossSite);
        let text = std::str::from_utf8(response.body()).expect("text");
        assert!(
            text.starts_with(
                r#"{"statusCode":403,"message":"Cross-site request refused","correlationId":"#
            ),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_trusted_page_a_node_backend_and_a_token_in_the_header_are_not_affected() {
    let bearer = format!("Bearer {}", Claims::user().token());
    let cookie = token();
    let cross = [
        (ORIGIN.as_str(), "https://ui.town.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    for (name, fields) in [
        (
            "a trusted page",
            vec![(COOKIE.as_str(), &*cookie), cross[0], cross[1]],
        ),
        (
            "a backend with the cookie",
            vec![(COOKIE.as_str(), &*cookie)],
        ),
        (
            "a header",
            vec![
                (AUTHORIZATION.as_str(), &*bearer),
                ("origin", "https://evil.example"),
                cross[1],
            ],
        ),
        (
            "a header beside the cookie",
            vec![
                (AUTHORIZATION.as_str(), &*bearer),
                (COOKIE.as_str(), &*cookie),
                ("origin", "https://evil.example"),
                cross[1],
            ],
        ),
    ] {
        let rules = CookieRules::default()
            .with_trusted_origins(["https://ui.town.example"])
            .expect("an origin");
        let (response, effects) = answer(rules, Method::POST, &fields).await;
        assert_eq!((response.status().as_u16(), effects), (200, 1), "{name}");
    }
    let (response, _) = answer(
        CookieRules::default(),
        Method::GET,
        &[(COOKIE.as_str(), &cookie), cross[0], cross[1]],
    )
    .await;
    assert_eq!(response.status(), 200, "a safe method");
}

#[tokio::test]
async fn the_cookie_can_be_off_renamed_or_limited_to_safe_methods() {
    let cookie = token();
    let renamed = format!("__Host-token={}", Claims::user().token());
    let named = || CookieRules::named("__Host-token").expect("a name");
    for (name, rules, method, cookie, status) in [
        ("off", CookieRules::off(), Method::GET, &cookie, 401),
        ("renamed", named(), Method::GET, &renamed, 200),
        ("the old name", named(), Method::GET, &cookie, 401),
        (
            "safe",
            named().with_safe_methods_only(),
            Method::HEAD,
            &renamed,
            200,
        ),
        (
            "not safe",
            named().with_safe_methods_only(),
            Method::POST,
            &renamed,
            401,
        ),
        (
            "the default",
            CookieRules::default(),
            Method::POST,
            &cookie,
            200,
        ),
    ] {
        let (response, _) = answer(rules, method, &[(COOKIE.as_str(), cookie)]).await;
        assert_eq!(response.status(), status, "{name}");
    }
}

#[tokio::test]
async fn an_anonymous_caller_is_let_in_only_where_that_was_asked_for_and_never_with_a_bad_token() {
    for (authorization, status) in [
        (None, 200),
        (Some(format!("Bearer {}", Claims::user().token())), 200),
        (Some("Bearer wrong".to_owned()), 401),
    ] {
        let mut request = Request::new(Empty::<Bytes>::new());
        if let Some(value) = &authorization {
            let value = value.parse().expect("a value");
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let response = ServiceBuilder::new()
            .layer(AuthLayer::new(verifier()).with_anonymous_callers())
            .service_fn(|request: Request<Empty<Bytes>>| {
                let principal = request.extensions().get::<civic_auth::Principal>().cloned();
                let mut response = Response::new(Empty::<Bytes>::new());
                response.extensions_mut().insert(principal.is_some());
                ready(Ok::<_, Infallible>(response))
            })
            .oneshot(request)
            .await
            .expect("infallible");
        assert_eq!(response.status(), status, "{authorization:?}");
        if status == 200 {
            let known = response.extensions().get::<bool>();
            assert_eq!(known, Some(&authorization.is_some()));
        }
    }
}
