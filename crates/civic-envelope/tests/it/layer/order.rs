//! Where the layer belongs in a stack, and that it is a good tower citizen.

use civic_envelope::EnvelopeLayer;
use civic_envelope::layer::EnvelopeService;
use civic_testkit::contract::assert_ready_before_call;
use http::{HeaderValue, Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{full, get, json, text};

#[tokio::test]
async fn the_service_alone_has_the_layers_defaults() {
    let handler = service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(json(full("1"))) });
    for (path, wrapped) in [("/x", true), ("/health", false)] {
        let answer = EnvelopeService::new(handler)
            .oneshot(get(path))
            .await
            .unwrap();
        assert_eq!(
            text(answer.into_body()).await.contains("success"),
            wrapped,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_handlers_error_is_the_services_error() {
    let handler = service_fn(|_: Request<()>| async {
        Err::<Response<http_body_util::Full<bytes::Bytes>>, _>(std::io::Error::other("down"))
    });
    let error = EnvelopeService::new(handler)
        .oneshot(get("/"))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "down");
}

/// What any compression layer does to a head.
fn compress<B>(mut response: Response<B>) -> Response<B> {
    response
        .headers_mut()
        .insert("content-encoding", HeaderValue::from_static("gzip"));
    response
}

#[tokio::test]
async fn compression_goes_outside_or_nothing_is_wrapped() {
    let handler =
        || service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(json(full("1"))) });

    let right = EnvelopeLayer::new().layer(handler()).map_response(compress);
    let answer = right.oneshot(get("/")).await.unwrap();
    assert!(answer.headers().contains_key("x-envelope"));
    assert!(text(answer.into_body()).await.contains("success"));

    let wrong = EnvelopeLayer::new().layer(handler().map_response(compress));
    let answer = wrong.oneshot(get("/")).await.unwrap();
    assert!(!answer.headers().contains_key("x-envelope"));
    assert_eq!(text(answer.into_body()).await, "1");
}

#[tokio::test]
async fn the_layer_calls_only_what_it_polled_ready() {
    let request = || Request::new(());
    assert_ready_before_call(EnvelopeLayer::new(), request()).await;
    assert_ready_before_call(EnvelopeLayer::new().with_body_check(10), request()).await;
}

#[test]
fn the_service_gives_access_to_the_service_that_it_wraps() {
    let mut service = EnvelopeService::new(1);
    assert_eq!(*service.get_ref(), 1);
    *service.get_mut() = 2;
    assert_eq!(service.into_inner(), 2);
}
