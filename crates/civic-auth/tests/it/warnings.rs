//! What an operator sees at the level INFO when calls are refused.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use civic_auth::{AuthError, AuthLayer, Cause, Principal, Role, TokenVerifier, UserClaims};
use civic_testkit::log::Capture;
use http::{HeaderMap, Request, Response};
use http_body_util::Empty;
use tower::{ServiceBuilder, ServiceExt as _};

use crate::support::{Claims, HEADER, NOW, bearer, secret, sign};

fn forged() -> HeaderMap {
    bearer(sign(
        aws_lc_rs::hmac::HMAC_SHA256,
        b"another key",
        HEADER,
        Claims::service().json(),
    ))
}

#[tokio::test]
async fn a_wrong_key_is_a_warning_at_most_once_a_minute_with_a_count_and_other_causes_are_none() {
    let clock = Arc::new(AtomicU64::new(NOW));
    let now = Arc::clone(&clock);
    let verifier = TokenVerifier::new(secret())
        .with_clock(move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::Relaxed)));
    let guard = ServiceBuilder::new()
        .layer(AuthLayer::new(verifier))
        .service_fn(|_: Request<Empty<Bytes>>| {
            ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
        });
    let call = async |headers: HeaderMap, cause: Cause| {
        let mut request = Request::new(Empty::new());
        *request.headers_mut() = headers;
        let response = guard.clone().oneshot(request).await.expect("infallible");
        let error: &AuthError = response.extensions().get().expect("the reason");
        assert_eq!(error.cause(), cause);
        // What is printed may end up in an answer.
        assert!(!format!("{error}").contains(cause.as_str()));
    };
    let work = async {
        call(HeaderMap::new(), Cause::NothingSent).await;
        for second in 0..60 {
            clock.store(NOW + second, Ordering::Relaxed);
            call(forged(), Cause::WrongSignature).await;
        }
        clock.store(NOW + 60, Ordering::Relaxed);
        call(forged(), Cause::WrongSignature).await;
    };
    let capture = Capture::start();
    work.await;
    let log = capture.text();
    let warnings: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("WARN") && line.contains("no configured key made them"))
        .collect();
    assert_eq!(warnings.len(), 2, "{log}");
    assert!(warnings[0].contains("refusals=1"), "{log}");
    assert!(warnings[1].contains("refusals=60"), "{log}");
}

#[test]
fn the_debug_output_of_a_person_has_neither_name_nor_address() {
    let user = UserClaims::new("u-1", "clerk@town.example", Role::TaxClerk).with_name("Zoë Clerk");
    let principal = Principal::for_user(&user);
    assert_eq!(principal.email(), "clerk@town.example");
    for printed in [format!("{user:?}"), format!("{principal:?}")] {
        assert!(printed.contains("u-1"), "{printed}");
        assert!(
            !printed.contains("clerk@") && !printed.contains("Zo"),
            "{printed}"
        );
    }
    assert!(Principal::for_service().is_service());
}
