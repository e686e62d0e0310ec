//! A limit of requests in flight.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use civic_envelope::ErrorBody;
use civic_server::layer::{AtCapacity, Shed, ShedLayer};
use civic_testkit::contract::assert_ready_before_call;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

fn request(method: Method) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = method;
    request
}

fn hello() -> impl tower::Service<
    Request<Full<Bytes>>,
    Response = Response<Full<Bytes>>,
    Error = Infallible,
    Future: Send,
> + Clone {
    tower::service_fn(async |_| Ok(Response::new(Full::from("hello"))))
}

#[tokio::test]
async fn a_request_above_the_limit_is_answered_503_as_not_taken_and_never_reaches_the_service() {
    let service = ShedLayer::new(1).layer(hello());
    let first = service.clone().oneshot(request(Method::GET)).await.unwrap();
    assert_eq!(first.status(), 200);
    let second = service
        .clone()
        .oneshot(request(Method::POST))
        .await
        .unwrap();
    assert_eq!(second.status(), 503);
    assert_eq!(second.headers()["retry-after"], "1");
    assert_eq!(
        second.headers().get("x-should-retry"),
        None,
        "or no one repeats it"
    );
    assert_eq!(second.extensions().get(), Some(&AtCapacity));
    assert!(second.extensions().get::<ErrorBody>().is_some());
    let body = second.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(br#"{"statusCode":503,"message":"The service is at its limit","#));
}

#[tokio::test]
async fn a_place_is_free_when_the_last_byte_of_the_answer_is_handed_on() {
    let service = ShedLayer::new(1).layer(hello());
    let first = service.clone().oneshot(request(Method::GET)).await.unwrap();
    let status = async || {
        service
            .clone()
            .oneshot(request(Method::GET))
            .await
            .unwrap()
            .status()
    };
    assert_eq!(status().await, 503);
    assert_eq!(
        first.into_body().collect().await.unwrap().to_bytes(),
        "hello"
    );
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn a_request_that_is_dropped_gives_its_place_back() {
    let never = tower::service_fn(async |_: Request<Full<Bytes>>| {
        std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    let service = ShedLayer::new(1).layer(never);
    for _ in 0..3 {
        let waiting = service.clone().oneshot(request(Method::GET));
        let ended = tokio::time::timeout(Duration::from_millis(1), waiting).await;
        assert!(ended.is_err(), "it was taken");
    }
}

#[tokio::test]
async fn all_services_of_one_layer_share_its_limit() {
    let layer = ShedLayer::new(1);
    let (one, other) = (layer.layer(hello()), layer.clone().layer(hello()));
    let _first = one.oneshot(request(Method::GET)).await.unwrap();
    let second = other.oneshot(request(Method::GET)).await.unwrap();
    assert_eq!(second.status(), 503);
}

#[tokio::test]
async fn the_wait_is_rounded_up_and_head_has_the_length_of_get() {
    let service = ShedLayer::new(0)
        .with_retry_after(Duration::from_millis(1001))
        .layer(hello());
    let get = service.clone().oneshot(request(Method::GET)).await.unwrap();
    assert_eq!(get.headers()["retry-after"], "2");
    let length = get.into_body().collect().await.unwrap().to_bytes().len();
    let head = service.oneshot(request(Method::HEAD)).await.unwrap();
    assert_eq!(
        head.headers()["content-length"],
        length.to_string().as_str()
    );
    assert!(
        head.into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .is_empty()
    );
}

#[tokio::test]
async fn the_layer_calls_the_service_that_it_polled() {
    assert_ready_before_call(ShedLayer::new(10), request(Method::GET)).await;
}

#[test]
fn the_wrapped_service_can_be_reached_and_taken_back() {
    let mut service = Shed::new(1, 1);
    *service.get_mut() += 1;
    assert_eq!((*service.get_ref(), service.into_inner()), (2, 2));
}
