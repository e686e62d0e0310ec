//! Which id a request has, and where it is found.

use std::convert::Infallible;
use std::future::ready;

use bytes::Bytes;
use civic_auth::{AuthLayer, CORRELATION_ID, CorrelationId, CorrelationIdLayer};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

use super::{current, request};
use crate::support::verifier;

#[tokio::test]
async fn the_handler_sees_one_id_in_extensions_header_and_context() {
    let service = tower::service_fn(|request: Request<Empty<Bytes>>| async move {
        let extension = request
            .extensions()
            .get::<CorrelationId>()
            .map(ToString::to_string);
        let header = CorrelationId::from_headers(request.headers()).map(|id| id.to_string());
        assert_eq!((&extension, &header), (&current(), &current()));
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(
            current().expect("an id"),
        ))))
    });
    for id in [Some("req-1"), None] {
        let mut request = Request::new(Empty::new());
        if let Some(id) = id {
            request
                .headers_mut()
                .insert(CORRELATION_ID, HeaderValue::from_static(id));
        }
        let response = CorrelationIdLayer::new()
            .layer(service)
            .oneshot(request)
            .await
            .expect("infallible");
        let header = response.headers()[CORRELATION_ID].clone();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("infallible")
            .to_bytes();
        assert_eq!(body, header.as_bytes());
        assert!(id.is_none_or(|id| id == header));
    }
    assert_eq!(current(), None, "nothing stays behind");
}

#[tokio::test]
async fn an_invalid_id_is_replaced() {
    let service =
        tower::service_fn(|_| ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))));
    let long = "a".repeat(129);
    let rows: [&[&[u8]]; 7] = [
        &[b""],
        &[b"a b"],
        &[b"a\tb"],
        &[b"\xff"],
        &[long.as_bytes()],
        &[b"p, q"],
        &[b"one", b"two"],
    ];
    for values in rows {
        let mut request = Request::new(Empty::<Bytes>::new());
        for value in values {
            request.headers_mut().append(
                CORRELATION_ID,
                HeaderValue::from_bytes(value).expect("a header value"),
            );
        }
        let response = CorrelationIdLayer::new()
            .layer(service)
            .oneshot(request)
            .await
            .expect("infallible");
        let id = response.headers()[CORRELATION_ID].to_str().expect("ASCII");
        assert_eq!(id.len(), 36, "a new UUID, not {id:?}");
        assert_eq!(response.headers().get_all(CORRELATION_ID).iter().count(), 1);
    }
}

#[tokio::test]
async fn an_id_that_the_handler_sets_on_its_response_is_the_requests() {
    let service = tower::service_fn(|_| {
        let response = Response::builder()
            .header(CORRELATION_ID, "other")
            .header(CORRELATION_ID, "more");
        ready(Ok::<_, Infallible>(
            response.body(Empty::<Bytes>::new()).expect("a response"),
        ))
    });
    let response = CorrelationIdLayer::new()
        .layer(service)
        .oneshot(request("req-1"))
        .await
        .expect("infallible");
    let ids: Vec<_> = response.headers().get_all(CORRELATION_ID).iter().collect();
    assert_eq!(ids, ["req-1"]);
}

#[tokio::test]
async fn every_answer_carries_the_id_401_404_and_500_too() {
    async fn fails() -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
    let app = axum::Router::new()
        .route("/fails", axum::routing::get(fails))
        .route(
            "/guarded",
            axum::routing::get(fails).layer(AuthLayer::new(verifier())),
        )
        .layer(CorrelationIdLayer::new());
    for (path, status) in [("/fails", 500), ("/guarded", 401), ("/nowhere", 404)] {
        for id in ["req-1", "not valid"] {
            let request = Request::builder().uri(path).header(CORRELATION_ID, id);
            let request = request.body(axum::body::Body::empty()).expect("a request");
            let response = app.clone().oneshot(request).await.expect("infallible");
            assert_eq!(response.status(), status);
            let answered =
                CorrelationId::from_headers(response.headers()).expect("an id on every answer");
            assert_eq!(answered.as_str() == id, id == "req-1", "{path}");
        }
    }
}

#[tokio::test]
async fn two_requests_on_one_task_keep_their_own_ids() {
    let service =
        CorrelationIdLayer::new().layer(tower::service_fn(|_: Request<Empty<Bytes>>| async {
            let before = current();
            tokio::task::yield_now().await;
            assert_eq!(before, current());
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }));
    let (one, two) = tokio::join!(
        service.clone().oneshot(request("one")),
        service.oneshot(request("two"))
    );
    assert_eq!(one.expect("infallible").headers()[CORRELATION_ID], "one");
    assert_eq!(two.expect("infallible").headers()[CORRELATION_ID], "two");
}
