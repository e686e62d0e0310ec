//! What a route asks of the user behind a service.

use std::convert::Infallible;
use std::future::ready;

use bytes::Bytes;
use civic_auth::{AuthError, Cause, Principal, RequireRoleLayer, Role};
use civic_envelope::Failure;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use tower::{ServiceBuilder, ServiceExt as _};

use super::{HEADER, TXN_TOKEN, claims, forge, guard};
use crate::support::{bearer, minter};

#[tokio::test]
async fn a_route_may_ask_for_the_lower_role_of_service_and_user() {
    let token = forge(HEADER, &claims("", ""));
    for (layer, with_user, status) in [
        (RequireRoleLayer::new(Role::Treasurer), true, 200),
        (
            RequireRoleLayer::new(Role::Treasurer).with_user_role(),
            true,
            403,
        ),
        (
            RequireRoleLayer::new(Role::TaxClerk).with_user_role(),
            true,
            200,
        ),
        (
            RequireRoleLayer::new(Role::Treasurer).with_user_role(),
            false,
            200,
        ),
    ] {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.headers_mut() = bearer(minter().mint().as_str());
        if with_user {
            let value = token.parse().expect("a value");
            request.headers_mut().insert(TXN_TOKEN, value);
        }
        let response = ServiceBuilder::new()
            .layer(guard("x"))
            .layer(layer)
            .service_fn(|_: Request<Empty<Bytes>>| {
                ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
            })
            .oneshot(request)
            .await
            .expect("infallible");
        assert_eq!(response.status(), status, "{layer:?}");
        let cause = response.extensions().get().map(AuthError::cause);
        assert_eq!(cause, (status == 403).then_some(Cause::RoleTooLow));
    }
}

#[tokio::test]
async fn a_handler_refuses_a_record_of_another_municipality_and_a_caller_without_one() {
    let token = forge(HEADER, &claims("", ""));
    let other_town = forge(
        HEADER,
        &claims(
            "tctx",
            r#"{"role":"TAX_CLERK","municipality":"town-2","name":"x"}"#,
        ),
    );
    for (name, txn, cause) in [
        ("the clerk of the town", Some(token), None),
        (
            "the clerk of another town",
            Some(other_town),
            Some(Cause::ForeignTenant),
        ),
        ("no one", None, Some(Cause::NoTenant)),
    ] {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.headers_mut() = bearer(minter().mint().as_str());
        if let Some(txn) = txn {
            let value = txn.parse().expect("a value");
            request.headers_mut().insert(TXN_TOKEN, value);
        }
        let response = ServiceBuilder::new()
            .layer(guard("x"))
            .service_fn(|request: Request<Empty<Bytes>>| {
                let caller = request.extensions().get::<Principal>().expect("guarded");
                let response = match caller.require_tenant("town-1") {
                    Ok(()) => Response::new(Full::<Bytes>::default()),
                    Err(error) => error.into_response(None),
                };
                ready(Ok::<_, Infallible>(response))
            })
            .oneshot(request)
            .await
            .expect("infallible");
        let found = response.extensions().get().map(AuthError::cause);
        assert_eq!(found, cause, "{name}");
        let status = if cause.is_some() { 403 } else { 200 };
        assert_eq!(response.status(), status, "{name}");
    }
    // As the failure of a handler, it is the guard's answer too.
    let error = Principal::for_service()
        .require_tenant("town-1")
        .unwrap_err();
    let failure = Failure::from(error);
    assert_eq!(failure.status(), 403);
    assert_eq!(failure.message(), "The request is for no municipality");
    assert_eq!(failure.headers()["cache-control"], "no-store");
    assert!(failure.headers().contains_key("www-authenticate"));
}
