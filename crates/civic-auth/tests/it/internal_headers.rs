//! The headers of an internal call.

use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use civic_auth::{
    CORRELATION_ID, CorrelationId, InternalHeadersLayer, RequestContext, TokenMinter,
    internal_headers,
};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{Empty, Full};
use tower::{BoxError, ServiceExt as _};
use tower_layer::Layer as _;

use crate::support::{NOW, minter, secret, verifier, verifier_at};

/// What the layer makes of a request.
async fn sent<B: http_body::Body + Send + 'static>(
    minter: TokenMinter,
    request: Request<B>,
) -> HeaderMap {
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let peer = Arc::clone(&seen);
    let service =
        InternalHeadersLayer::new(minter).layer(tower::service_fn(move |request: Request<B>| {
            *peer.lock().expect("not poisoned") = request.headers().clone();
            ready(Ok::<_, BoxError>(Response::new(())))
        }));
    service.oneshot(request).await.expect("an answer");
    seen.lock().expect("not poisoned").clone()
}

fn id(text: &str) -> CorrelationId {
    CorrelationId::parse(text).expect("a valid id")
}

#[test]
fn internal_headers_are_the_platforms_three() {
    let headers = internal_headers(&minter(), Some(&id("req-1")));
    assert_eq!(headers.len(), 3);
    assert_eq!(headers[CORRELATION_ID], "req-1");
    assert_eq!(headers[CONTENT_TYPE], "application/json");
    assert!(headers[AUTHORIZATION].is_sensitive());
    assert!(
        verifier()
            .verify(&headers)
            .expect("a good token")
            .is_service()
    );
}

#[tokio::test]
async fn without_an_id_the_headers_carry_that_of_the_request_or_a_new_one() {
    let new = internal_headers(&minter(), None);
    assert_eq!(new[CORRELATION_ID].len(), 36);
    assert_ne!(
        new[CORRELATION_ID],
        internal_headers(&minter(), None)[CORRELATION_ID]
    );

    let context = RequestContext::default().with_correlation_id(id("served"));
    context
        .scope(async {
            assert_eq!(internal_headers(&minter(), None)[CORRELATION_ID], "served");
            assert_eq!(
                internal_headers(&minter(), Some(&id("own")))[CORRELATION_ID],
                "own"
            );
        })
        .await;
}

#[tokio::test]
async fn each_call_carries_a_freshly_minted_token() {
    let now = Arc::new(AtomicU64::new(NOW));
    let clock = Arc::clone(&now);
    let minter = TokenMinter::new(secret())
        .with_clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst)));
    let mut tokens = Vec::new();
    for attempt in 0..3 {
        now.store(NOW + attempt * 11, Ordering::SeqCst);
        let headers = sent(minter.clone(), Request::new(Empty::<Bytes>::new())).await;
        let verifier = verifier_at(Duration::from_secs(NOW + attempt * 11));
        assert_eq!(
            verifier.verify(&headers).expect("a good token").issued_at(),
            Some(NOW + attempt * 11)
        );
        tokens.push(headers[AUTHORIZATION].clone());
    }
    assert!(tokens[0] != tokens[1] && tokens[1] != tokens[2]);
}

#[tokio::test]
async fn an_authorization_header_of_another_layer_is_replaced() {
    let mut request = Request::new(Empty::<Bytes>::new());
    request
        .headers_mut()
        .append(AUTHORIZATION, HeaderValue::from_static("Bearer user-token"));
    request
        .headers_mut()
        .append(AUTHORIZATION, HeaderValue::from_static("Basic x"));
    let headers = sent(minter(), request).await;
    assert_eq!(headers.get_all(AUTHORIZATION).iter().count(), 1);
    assert!(headers[AUTHORIZATION].is_sensitive());
    assert!(verifier().verify(&headers).is_ok());
}

#[tokio::test]
async fn content_type_goes_only_with_a_body_and_never_replaces_one() {
    let headers = sent(minter(), Request::new(Empty::<Bytes>::new())).await;
    assert!(
        !headers.contains_key(CONTENT_TYPE),
        "Fastify answers 400 to a type without a body"
    );
    let headers = sent(minter(), Request::new(Full::new(Bytes::new()))).await;
    assert!(!headers.contains_key(CONTENT_TYPE));
    let headers = sent(minter(), Request::new(Full::new(Bytes::from("{}")))).await;
    assert_eq!(headers[CONTENT_TYPE], "application/json");
    let request = Request::builder()
        .header(CONTENT_TYPE, "text/csv")
        .body(Full::new(Bytes::from("a,b")))
        .expect("a request");
    assert_eq!(sent(minter(), request).await[CONTENT_TYPE], "text/csv");
}

#[tokio::test]
async fn the_id_is_that_of_the_extensions_or_the_header_or_the_context_or_new() {
    let context = RequestContext::default().with_correlation_id(id("context"));
    let mut request = Request::new(Empty::<Bytes>::new());
    let headers = context.clone().scope(sent(minter(), request.clone())).await;
    assert_eq!(headers[CORRELATION_ID], "context");

    request
        .headers_mut()
        .insert(CORRELATION_ID, HeaderValue::from_static("header"));
    let headers = context.clone().scope(sent(minter(), request.clone())).await;
    assert_eq!(headers[CORRELATION_ID], "header");

    request.extensions_mut().insert(id("extension"));
    let headers = context.clone().scope(sent(minter(), request.clone())).await;
    assert_eq!(headers[CORRELATION_ID], "extension");

    let mut invalid = Request::new(Empty::<Bytes>::new());
    invalid
        .headers_mut()
        .append(CORRELATION_ID, HeaderValue::from_static("not valid"));
    invalid
        .headers_mut()
        .append(CORRELATION_ID, HeaderValue::from_static("nor this"));
    let headers = sent(minter(), invalid).await;
    assert_eq!(headers.get_all(CORRELATION_ID).iter().count(), 1);
    assert_eq!(headers[CORRELATION_ID].len(), 36);
}

#[tokio::test]
async fn a_trace_of_the_outgoing_request_wins_over_that_of_the_context() {
    const OUTER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const OWN: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    let incoming = HeaderMap::from_iter([
        (
            http::HeaderName::from_static("traceparent"),
            HeaderValue::from_static(OUTER),
        ),
        (
            http::HeaderName::from_static("tracestate"),
            HeaderValue::from_static("outer=1"),
        ),
    ]);
    let context = RequestContext::default().with_trace_of(&incoming);
    let headers = context
        .clone()
        .scope(sent(minter(), Request::new(Empty::<Bytes>::new())))
        .await;
    assert_eq!(
        (&headers["traceparent"], &headers["tracestate"]),
        (
            &HeaderValue::from_static(OUTER),
            &HeaderValue::from_static("outer=1")
        )
    );

    let request = Request::builder()
        .header("traceparent", OWN)
        .body(Empty::<Bytes>::new())
        .expect("a request");
    let headers = context.clone().scope(sent(minter(), request)).await;
    assert_eq!(headers["traceparent"], OWN);
    assert!(!headers.contains_key("tracestate"));

    // A state without a parent is not the context's either.
    let request = Request::builder()
        .header("tracestate", "own=1")
        .body(Empty::<Bytes>::new())
        .expect("a request");
    let headers = context.scope(sent(minter(), request)).await;
    assert_eq!(
        (&headers["traceparent"], &headers["tracestate"]),
        (
            &HeaderValue::from_static(OUTER),
            &HeaderValue::from_static("outer=1")
        )
    );
}
