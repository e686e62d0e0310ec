//! `ErrorShapeLayer` alone, without the standard stack.

use std::convert::Infallible;

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody};
use civic_server::Failure;
use civic_server::layer::{ErrorShape, ErrorShapeBody, ErrorShapeLayer};
use civic_testkit::contract::assert_ready_before_call;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

/// The answer to a request with this method, whose id is `req-1`.
async fn shaped(
    method: Method,
    inner: Response<Full<Bytes>>,
) -> Response<ErrorShapeBody<Full<Bytes>>> {
    let inner = tower::service_fn(move |_| {
        let response = inner.clone();
        async move { Ok::<_, Infallible>(response) }
    });
    let mut request = Request::new(Full::<Bytes>::default());
    *request.method_mut() = method;
    let id = CorrelationId::parse("req-1").unwrap();
    request.extensions_mut().insert(id);
    let service = ErrorShapeLayer::new().layer(inner);
    service.oneshot(request).await.unwrap()
}

fn not_found() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "there is none")
}

async fn text(response: Response<ErrorShapeBody<Full<Bytes>>>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.into()).unwrap()
}

#[tokio::test]
async fn an_error_that_was_made_without_the_requests_id_gets_it() {
    let inner = not_found().into_response();
    let length = "999".parse().unwrap();
    let mut inner: Response<Full<Bytes>> = inner;
    inner.headers_mut().insert(CONTENT_LENGTH, length);
    let response = shaped(Method::GET, inner).await;
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers().get(CONTENT_LENGTH), None);
    let body = response.extensions().get::<ErrorBody>().unwrap();
    let id = body.correlation_id().map(CorrelationId::as_str);
    assert_eq!(id, Some("req-1"), "for the layers further out, too");
    let text = text(response).await;
    let start =
        r#"{"statusCode":404,"message":"there is none","correlationId":"req-1","timestamp":"#;
    assert!(text.starts_with(start), "{text}");
}

#[tokio::test]
async fn an_id_that_the_error_has_already_is_kept() {
    let own = CorrelationId::parse("of-the-peer").unwrap();
    let inner = not_found().with_correlation_id(own).into_response();
    let text = text(shaped(Method::GET, inner).await).await;
    assert!(text.contains(r#""correlationId":"of-the-peer""#), "{text}");
}

#[tokio::test]
async fn an_answer_that_carries_no_error_body_passes_untouched() {
    for status in [200, 404, 500] {
        let mut inner = Response::new(Full::from("as it is"));
        *inner.status_mut() = StatusCode::from_u16(status).unwrap();
        inner.headers_mut().insert(CONTENT_LENGTH, 8.into());
        let response = shaped(Method::GET, inner).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()[CONTENT_LENGTH], "8");
        assert_eq!(text(response).await, "as it is");
    }
}

#[tokio::test]
async fn a_head_request_gets_the_length_of_the_body_that_get_would_get() {
    let get = text(shaped(Method::GET, not_found().into_response()).await).await;
    let head = shaped(Method::HEAD, not_found().into_response()).await;
    assert_eq!(
        head.headers()[CONTENT_LENGTH],
        get.len().to_string().as_str()
    );
    assert_eq!(text(head).await, "");
}

#[tokio::test]
async fn the_layer_calls_the_service_that_it_polled() {
    let request = Request::new(Full::<Bytes>::default());
    assert_ready_before_call(ErrorShapeLayer::new(), request).await;
}

#[test]
fn the_wrapped_service_can_be_reached_and_taken_back() {
    let mut service = ErrorShape::new(1);
    *service.get_mut() += 1;
    assert_eq!((*service.get_ref(), service.into_inner()), (2, 2));
}
