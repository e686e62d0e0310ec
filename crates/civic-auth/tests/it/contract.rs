//! Every layer calls the service that it polled ready, and gives access to the one that it wraps.

use bytes::Bytes;
use civic_auth::layer::{Auth, CorrelationIdService, InternalHeaders, RequireRole};
use civic_auth::{AuthLayer, CorrelationIdLayer, InternalHeadersLayer, RequireRoleLayer, Role};
use civic_testkit::contract::assert_ready_before_call;
use http::Request;
use http_body_util::Full;

use crate::support::{bearer, minter, verifier};

fn request() -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.headers_mut() = bearer(minter().mint().as_str());
    let principal = verifier().verify(request.headers()).expect("a good token");
    request.extensions_mut().insert(principal);
    request
}

#[tokio::test]
async fn auth_layer_calls_what_it_polled() {
    assert_ready_before_call(AuthLayer::new(verifier()), request()).await;
}

#[tokio::test]
async fn require_role_layer_calls_what_it_polled() {
    assert_ready_before_call(RequireRoleLayer::new(Role::TaxClerk), request()).await;
}

#[tokio::test]
async fn correlation_id_layer_calls_what_it_polled() {
    assert_ready_before_call(CorrelationIdLayer::new(), request()).await;
}

#[tokio::test]
async fn internal_headers_layer_calls_what_it_polled() {
    assert_ready_before_call(InternalHeadersLayer::new(minter()), request()).await;
}

#[test]
fn every_service_gives_access_to_the_service_that_it_wraps() {
    macro_rules! check {
        ($service:expr) => {{
            let mut service = $service;
            assert_eq!(*service.get_ref(), 1);
            *service.get_mut() = 2;
            assert_eq!(service.into_inner(), 2);
        }};
    }
    check!(Auth::new(1, verifier()));
    check!(CorrelationIdService::new(1));
    check!(InternalHeaders::new(1, minter()));
    check!(RequireRole::new(1, Role::TaxClerk));
}
