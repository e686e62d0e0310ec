//! What finds the id without being given it: calls and log lines.

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use civic_auth::{CORRELATION_ID, CorrelationIdLayer, InternalHeadersLayer};
use civic_testkit::log::Capture;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty};
use tower::{BoxError, ServiceBuilder, ServiceExt as _};
use tower_layer::Layer as _;

use super::request;
use crate::support::minter;

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn an_outgoing_call_carries_id_and_trace_without_the_handler_passing_them() {
    let sent = Arc::new(Mutex::new(HeaderMap::new()));
    let peer = Arc::clone(&sent);
    let client = InternalHeadersLayer::new(minter()).layer(tower::service_fn(
        move |request: Request<Empty<Bytes>>| {
            *peer.lock().expect("not poisoned") = request.headers().clone();
            ready(Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new())))
        },
    ));
    let handler = tower::service_fn(move |_: Request<Empty<Bytes>>| {
        client.clone().oneshot(Request::new(Empty::new()))
    });
    let mut incoming = request("req-1");
    incoming
        .headers_mut()
        .insert("traceparent", HeaderValue::from_static(TRACEPARENT));
    incoming
        .headers_mut()
        .insert("tracestate", HeaderValue::from_static("a=1"));
    ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .service(handler)
        .oneshot(incoming)
        .await
        .expect("infallible");

    let sent = sent.lock().expect("not poisoned");
    assert_eq!(sent[CORRELATION_ID], "req-1");
    assert_eq!(sent["traceparent"], TRACEPARENT);
    assert_eq!(sent["tracestate"], "a=1");
    assert!(!sent.contains_key("content-type"));
}

#[tokio::test]
async fn every_log_line_of_a_request_is_in_a_span_with_its_id() {
    struct LoggingBody;

    impl Body for LoggingBody {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            tracing::warn!("in the body");
            Poll::Ready(None)
        }
    }

    let capture = Capture::start();

    let service = CorrelationIdLayer::new().layer(tower::service_fn(|_: Request<Empty<Bytes>>| {
        tracing::warn!("in the call");
        async {
            tracing::warn!("in the future");
            Ok::<_, Infallible>(Response::new(LoggingBody))
        }
    }));
    let response = service.oneshot(request("req-1")).await.expect("infallible");
    response.into_body().collect().await.expect("infallible");

    for place in ["in the call", "in the future", "in the body"] {
        let events = capture.events();
        let event = events
            .iter()
            .find(|event| event.message == place)
            .expect("an event");
        let ids: Vec<_> = event
            .spans
            .iter()
            .filter_map(|span| span.fields.get("correlation_id"))
            .collect();
        assert_eq!(ids, ["req-1"], "{place}");
    }
}

#[tokio::test]
async fn a_replaced_id_is_logged_and_its_value_is_not() {
    let capture = Capture::start();
    let service = CorrelationIdLayer::new().layer(tower::service_fn(|_| {
        ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    }));
    for (id, lines) in [("req-1", 0), ("evil value", 1)] {
        service
            .clone()
            .oneshot(request(id))
            .await
            .expect("infallible");
        let replaced = capture
            .events()
            .into_iter()
            .filter(|event| event.message.contains("was replaced"))
            .count();
        assert_eq!(replaced, lines, "{id}");
    }
    assert!(!capture.text().contains("evil"));
}
