//! What the services on the way see of the user.

use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use civic_auth::{
    AuthLayer, CorrelationIdLayer, InternalHeadersLayer, MissingCredentials, Role, TokenMinter,
    TransactionTokens,
};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::Empty;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

use super::{HEADER, Peer, Seen, TXN_TOKEN, call, claims, clerk, forge, guard, hop, last};
use crate::support::{Claims, NOW, bearer, minter, secret, verifier};

/// A Node service: it admits everyone here, calls with a token of its own, and forwards the header
/// or drops it.
fn node(next: Peer, forwards: bool) -> Peer {
    Peer::new(
        ServiceBuilder::new()
            .map_request(move |request: Request<Empty<Bytes>>| {
                let mut call = Request::new(Empty::new());
                *call.headers_mut() = bearer(minter().mint().as_str());
                if let Some(token) = request.headers().get(TXN_TOKEN).filter(|_| forwards) {
                    call.headers_mut().insert(TXN_TOKEN, token.clone());
                }
                call
            })
            .service(next.0),
    )
}

#[tokio::test]
async fn after_three_hops_the_last_service_sees_the_clerk_and_the_municipality() {
    let seen = Seen::default();
    let chain = hop(guard("desk"), hop(guard("middle"), last(&seen)));
    assert_eq!(call(chain, clerk()).await, 200);
    let (principal, headers) = seen.last();
    assert!(principal.is_service());
    assert_eq!(principal.tenant(), Some("town-1"));
    let user = principal.on_behalf_of().expect("the clerk");
    assert_eq!(user.user_id(), "9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11");
    assert_eq!(user.role().known(), Some(Role::TaxClerk));
    assert_eq!((user.name(), user.admitted_by()), ("Zoë", "desk"));
    assert_eq!(
        (user.transaction_id(), user.expires_at()),
        ("req-1", NOW + 300)
    );

    // The default claims, byte for byte, and unchanged over the hops.
    let expected = forge(HEADER, &claims("", ""));
    assert_eq!(headers[TXN_TOKEN], expected);
    assert!(headers[TXN_TOKEN].is_sensitive());
    assert_eq!(headers.get_all(TXN_TOKEN).iter().count(), 1);
}

#[tokio::test]
async fn a_node_service_that_forwards_the_header_is_no_gap_and_one_that_drops_it_is_403() {
    for (forwards, status) in [(true, 200), (false, 403)] {
        let seen = Seen::default();
        let chain = hop(guard("desk"), node(last(&seen), forwards));
        assert_eq!(call(chain, clerk()).await, status, "forwards: {forwards}");
        if forwards {
            assert_eq!(seen.last().0.tenant(), Some("town-1"));
        }
    }
}

#[tokio::test]
async fn the_token_is_read_from_services_only_and_not_forwarded_otherwise() {
    let foreign = forge(HEADER, &claims("sub", r#""someone-else""#));
    let with = |mut headers: HeaderMap| {
        headers.insert(TXN_TOKEN, foreign.parse().expect("a value"));
        headers
    };
    // Beside a user's token: the user who was admitted is the one.
    let seen = Seen::default();
    assert_eq!(
        call(hop(guard("desk"), last(&seen)), with(clerk())).await,
        200
    );
    let user = seen.user().expect("the clerk");
    assert_eq!(user.user_id(), "9b2f6c1e-2f4d-4f0a-9c57-3f9f0f5d7a11");

    // On a public route, and behind a guard that knows nothing of it.
    for guard in [
        guard("desk").with_public_paths(["/"]),
        AuthLayer::new(verifier()),
    ] {
        let service = bearer(minter().mint().as_str());
        let status = call(hop(guard, last(&Seen::default())), with(service)).await;
        assert_eq!(status, 403, "the next service is called for no one");
    }
}

#[tokio::test]
async fn a_call_that_would_forward_an_expired_token_is_not_made() {
    let clock = Arc::new(AtomicU64::new(NOW));
    let now = Arc::clone(&clock);
    let tokens = TransactionTokens::from_secrets(secret(), "desk")
        .with_clock(move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::Relaxed)));
    let calls = Arc::new(AtomicU64::new(0));
    let made = Arc::clone(&calls);
    let client = ServiceBuilder::new()
        .layer(InternalHeadersLayer::new(TokenMinter::new(secret())))
        .service_fn(move |request: Request<Empty<Bytes>>| {
            assert!(request.headers().contains_key(TXN_TOKEN));
            made.fetch_add(1, Ordering::Relaxed);
            ready(Ok::<_, BoxError>(()))
        });
    let user_expires = NOW + 60;
    let desk = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(AuthLayer::new(verifier()).with_transactions(tokens))
        .service_fn(move |_: Request<Empty<Bytes>>| {
            let (client, clock) = (client.clone(), Arc::clone(&clock));
            async move {
                for second in [NOW, user_expires - 1] {
                    clock.store(second, Ordering::Relaxed);
                    client.clone().oneshot(Request::new(Empty::new())).await?;
                }
                clock.store(user_expires, Ordering::Relaxed);
                let error = client
                    .oneshot(Request::new(Empty::new()))
                    .await
                    .unwrap_err();
                assert!(error.is::<MissingCredentials>(), "{error}");
                Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
            }
        });
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = bearer(Claims::user().set("exp", user_expires).token());
    let response = desk.oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_long_name_is_cut_and_a_user_whose_token_would_be_too_long_is_not_forgotten() {
    let long_id = "u".repeat(2000);
    let user = Claims::user()
        .set("userId", format!("{long_id:?}"))
        .set("name", format!("{:?}", "é".repeat(300)));
    let seen = Seen::default();
    let chain = hop(guard("desk"), last(&seen));
    assert_eq!(call(chain, bearer(user.token())).await, 200);
    let carried = seen.user().expect("the user");
    assert_eq!(carried.user_id(), long_id);
    assert_eq!(carried.name(), "é".repeat(128));

    // Without its token, the call would be the service's own.
    let user = Claims::user().set("userId", format!("{:?}", "u".repeat(2750)));
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = bearer(user.token());
    let id = HeaderValue::from_str(&"x".repeat(128)).expect("a value");
    request.headers_mut().insert("x-correlation-id", id);
    let chain = hop(guard("desk"), last(&Seen::default()));
    let error = chain.0.oneshot(request).await.unwrap_err();
    assert!(error.is::<MissingCredentials>(), "{error}");
}

#[tokio::test]
async fn a_token_that_a_handler_has_copied_onto_a_call_is_not_sent() {
    let copied = forge(HEADER, &claims("sub", r#""someone-else""#));
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sent);
    let client = ServiceBuilder::new()
        .layer(InternalHeadersLayer::new(minter()))
        .service_fn(move |request: Request<Empty<Bytes>>| {
            let token = request.headers().get(TXN_TOKEN).cloned();
            seen.lock().expect("one call at a time").push(token);
            ready(Ok::<_, BoxError>(()))
        });
    let call = move || {
        let mut request = Request::new(Empty::new());
        let value = copied.parse().expect("a value");
        request.headers_mut().insert(TXN_TOKEN, value);
        client.clone().oneshot(request)
    };
    // Outside of any request, and while a clerk's is being served.
    call().await.expect("an answer");
    let desk = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(guard("desk"))
        .service_fn(move |_: Request<Empty<Bytes>>| {
            let call = call();
            async move {
                call.await?;
                Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
            }
        });
    let mut request = Request::new(Empty::new());
    *request.headers_mut() = clerk();
    desk.oneshot(request).await.expect("an answer");
    let sent = sent.lock().expect("no call is under way");
    let minted = HeaderValue::from_str(&forge(HEADER, &claims("", ""))).expect("a value");
    assert_eq!(sent[..], [None, Some(minted)]);
}
