//! The audit line.

use std::convert::Infallible;
use std::future::ready;

use bytes::Bytes;
use civic_auth::CorrelationIdLayer;
use civic_testkit::log::Capture;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::Empty;
use tower::{ServiceBuilder, ServiceExt as _};

use super::{HEADER, TXN_TOKEN, claims, forge, guard};
use crate::support::{bearer, minter};

#[tokio::test]
async fn the_audit_line_says_who_for_whom_and_what_and_has_no_personal_value() {
    let capture = Capture::start();
    let audited = || {
        ServiceBuilder::new()
            .layer(CorrelationIdLayer::new())
            .layer(guard("x").with_audit(|_| Some("/properties/{id}".to_owned())))
            .service_fn(|_: Request<Empty<Bytes>>| {
                ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
            })
    };
    let mut service = bearer(minter().mint().as_str());
    service.insert(
        TXN_TOKEN,
        forge(HEADER, &claims("", "")).parse().expect("a value"),
    );
    service.insert("x-correlation-id", HeaderValue::from_static("req-7"));
    for headers in [service, HeaderMap::new()] {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = "/properties/7?name=Zoe".parse().expect("a path");
        *request.headers_mut() = headers;
        audited().oneshot(request).await.expect("infallible");
    }
    let log = capture.text();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("civic_auth::audit"))
        .collect();
    assert_eq!(lines.len(), 2, "{log}");
    for part in [
        "caller=\"00000000-0000-0000-0000-000000000000\"",
        "on_behalf_of=\"9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11\"",
        "tenant=\"town-1\"",
        "method=\"GET\"",
        "route=\"/properties/{id}\"",
        "outcome=\"answered\"",
        "status=200",
        "duration_ms=",
        "correlation_id=\"req-7\"",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
    assert!(
        lines[1].contains("outcome=\"nothing_sent\" status=401"),
        "{}",
        lines[1]
    );
    for personal in ["Zo", "clerk@", "/properties/7"] {
        assert!(!lines.concat().contains(personal), "{log}");
    }
}
