//! No token and no secret in any log line or `Debug` output.

use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use civic_auth::{
    AuthLayer, ConfigError, CorrelationIdLayer, InternalHeadersLayer, KeyRing, RequestContext,
    RequireRoleLayer, Role, Secret, TokenMinter, TokenVerifier, UserClaims, internal_headers,
};
use civic_testkit::log::Capture;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use tower::{BoxError, ServiceBuilder, ServiceExt as _};
use tower_layer::Layer as _;

use crate::support::{Claims, HEADER, SECRET, bearer, minter, secret, sign, verifier};

/// Asserts that neither the secret nor an encoded part of a token is in the output.
#[track_caller]
fn says_nothing(output: &str, tokens: &[String]) {
    assert!(!output.contains(SECRET), "the secret: {output}");
    assert!(
        !output.contains(&SECRET[..16]),
        "half of the secret: {output}"
    );
    for token in tokens {
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!output.contains(part), "a part of a token: {output}");
        }
    }
}

#[tokio::test]
async fn no_token_or_secret_is_ever_logged() {
    let good = minter().mint().as_str().to_owned();
    let user = Claims::user().token();
    let tokens = [
        good.clone(),
        user.clone(),
        Claims::user().set("exp", 1).token(),
        Claims::service()
            .set("email", r#""half@service.example""#)
            .token(),
        sign(
            aws_lc_rs::hmac::HMAC_SHA256,
            b"another key",
            HEADER,
            Claims::service().json(),
        ),
        format!("{good}.trailing-garbage"),
        "not-a-token-at-all".to_owned(),
        good.replace('.', ".."),
    ];
    let work = async {
        let mut statuses = Vec::new();
        for token in &tokens {
            for (name, value) in [
                (AUTHORIZATION, format!("Bearer {token}")),
                (AUTHORIZATION, format!("Bearer {token} {token}")),
                (COOKIE, format!("app_access_token={token}")),
                (
                    COOKIE,
                    format!("app_access_token={token}; app_access_token=x"),
                ),
            ] {
                let client = InternalHeadersLayer::new(minter()).layer(tower::service_fn(
                    |_: Request<Empty<Bytes>>| {
                        ready(Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new())))
                    },
                ));
                let service = ServiceBuilder::new()
                    .layer(CorrelationIdLayer::new())
                    .layer(AuthLayer::new(verifier()))
                    .layer(RequireRoleLayer::new(Role::Treasurer))
                    .service(tower::service_fn(move |_: Request<Empty<Bytes>>| {
                        client.clone().oneshot(Request::new(Empty::new()))
                    }));
                let request = Request::builder()
                    .header(name, value)
                    .body(Empty::new())
                    .expect("a request");
                let response = service.oneshot(request).await.expect("infallible");
                statuses.push(response.status().as_u16());
                response.into_body().collect().await.expect("infallible");
            }
            let _ = verifier().inspect(token);
            let mut twice = HeaderMap::new();
            let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header value");
            twice.append(AUTHORIZATION, value.clone());
            twice.append(AUTHORIZATION, value);
            let _ = verifier().verify(&twice);
        }
        for secret in [
            "",
            &SECRET[..31],
            &format!("  {SECRET}\n"),
            &format!("-----BEGIN {SECRET}"),
        ] {
            let _ = Secret::new(secret);
        }
        statuses
    };
    let capture = Capture::start();
    let statuses = work.await;
    let log = capture.text();
    for status in [200, 400, 401, 403] {
        assert!(
            statuses.contains(&status),
            "no answer was {status}: {statuses:?}"
        );
    }
    assert!(
        log.contains("request refused") && log.contains("cause=\"expired\""),
        "the cause is logged: {log}"
    );
    assert!(log.contains("white space"), "the warning is logged");
    let minted: Vec<_> = tokens.into_iter().chain([good, user]).collect();
    says_nothing(&log, &minted);
}

#[test]
fn no_debug_or_display_shows_a_token_or_a_secret() {
    let token = minter().mint();
    let text = token.as_str().to_owned();
    let headers = internal_headers(&minter(), None);
    let user = UserClaims::new(
        "9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11",
        "a@b.example",
        Role::Auditor,
    );
    let short: ConfigError = Secret::new(&SECRET[..20]).unwrap_err();
    let error = verifier().verify(&bearer(format!("{text}x"))).unwrap_err();
    let inspection = verifier().inspect(&text);
    let guard = AuthLayer::new(verifier()).with_public_paths(["/health"]);
    let outputs = [
        format!("{:#?}", secret()),
        format!("{:#?}", secret().with_id("named").unwrap()),
        format!("{:#?}", KeyRing::new(secret()).with_previous(secret())),
        format!("{:#?}", minter()),
        format!("{:#?}", TokenMinter::new(secret())),
        format!("{token:#?} {:#?}", token.to_header_value()),
        format!("{:#?}", minter().mint_for(&user, Duration::from_secs(1))),
        format!("{user:#?}"),
        format!("{headers:#?}"),
        format!("{:#?}", TokenVerifier::new(secret())),
        format!("{guard:#?} {:#?}", guard.layer(())),
        format!(
            "{:#?} {:#?}",
            InternalHeadersLayer::new(minter()),
            InternalHeadersLayer::new(minter()).layer(())
        ),
        format!("{:#?}", RequireRoleLayer::new(Role::Auditor).layer(())),
        format!("{:#?}", CorrelationIdLayer::new().layer(())),
        format!("{:#?}", RequestContext::current()),
        format!("{short:#?} {short}"),
        format!("{error:#?} {error}"),
        format!(
            "{inspection:#?} {inspection} {}",
            serde_json::to_string(&inspection).unwrap()
        ),
    ];
    for output in outputs {
        says_nothing(&output, std::slice::from_ref(&text));
    }
    assert_eq!(format!("{:?}", secret()), "Secret([redacted])");
    assert_eq!(format!("{token:?}"), "Token([redacted])");
}
