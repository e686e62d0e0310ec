//! Every layer calls the service that it polled ready, and gives access to the one that it wraps.

use bytes::Bytes;
use civic_auth::layer::{Auth, CorrelationIdService, InternalHeaders, Require};
use civic_auth::{
    AuthLayer, CorrelationIdLayer, InternalHeadersLayer, Principal, RequireRoleLayer,
    RequireTenantLayer, Role, UserClaims,
};
use civic_testkit::contract::{assert_ready_before_call, assert_ready_before_call_with};
use http::{Request, Response};
use http_body_util::Full;
use tower::BoxError;

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
async fn require_tenant_layer_calls_what_it_polled() {
    let mut request = request();
    let user = UserClaims::new("u-1", "a@b.example", Role::TaxClerk).with_municipality("town-1");
    request.extensions_mut().insert(Principal::for_user(&user));
    assert_ready_before_call(RequireTenantLayer::new(), request).await;
}

#[tokio::test]
async fn correlation_id_layer_calls_what_it_polled() {
    assert_ready_before_call(CorrelationIdLayer::new(), request()).await;
}

#[tokio::test]
async fn internal_headers_layer_calls_what_it_polled() {
    let layer = InternalHeadersLayer::new(minter());
    assert_ready_before_call_with(layer, request(), || {
        Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
    })
    .await;
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
    check!(Require::new(1, RequireRoleLayer::new(Role::TaxClerk)));
    check!(Require::new(1, RequireTenantLayer::new()));
}
