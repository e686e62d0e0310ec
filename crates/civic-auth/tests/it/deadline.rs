//! The deadline of the caller, adopted by the service that it calls.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use civic_auth::{AdoptDeadlineLayer, CorrelationIdLayer, RequestContext};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceBuilder, ServiceExt as _, service_fn};

const HEADER: &str = "x-request-timeout-ms";

fn request(values: &[&str]) -> Request<()> {
    let mut request = Request::builder().header("x-correlation-id", "req-1");
    for value in values {
        request = request.header(HEADER, *value);
    }
    request.body(()).expect("a request")
}

/// What the handler sees as the time that is left.
async fn seen(values: &[&str]) -> Option<Duration> {
    let service = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(AdoptDeadlineLayer::new())
        .service(service_fn(|_: Request<()>| async {
            let left = RequestContext::current()
                .deadline()
                .map(|deadline| deadline - Instant::now());
            let mut response = Response::new(Full::new(Bytes::new()));
            response.extensions_mut().insert(left);
            Ok::<_, Infallible>(response)
        }));
    let response = service.oneshot(request(values)).await.expect("an answer");
    *response.extensions().get().expect("the handler ran")
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_caller_waits_is_a_number_from_1_to_600_000_and_anything_else_is_ignored()
{
    for (value, millis) in [("1", 1), ("800", 800), ("0800", 800), ("600000", 600_000)] {
        let left = Some(Duration::from_millis(millis));
        assert_eq!(seen(&[value]).await, left, "{value}");
    }
    for value in [
        "0",
        "600001",
        "18446744073709551616",
        "-1",
        "+1",
        "1.5",
        "1s",
        "",
        "soon",
    ] {
        assert_eq!(seen(&[value]).await, None, "{value}");
    }
    assert_eq!(seen(&[]).await, None);
    assert_eq!(seen(&["800", "900"]).await, None, "two fields");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_there_already_is_only_ever_lowered() {
    let context = RequestContext::default().with_deadline(Instant::now() + Duration::from_secs(2));
    let left = |values| context.clone().scope(seen(values));
    assert_eq!(left(&["500"]).await, Some(Duration::from_millis(500)));
    assert_eq!(left(&["9000"]).await, Some(Duration::from_secs(2)));
    assert_eq!(left(&[]).await, Some(Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn the_handler_is_dropped_at_the_deadline_and_the_answer_is_504_in_the_platforms_shape() {
    struct OnDrop(Arc<AtomicU32>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicU32::new(0));
    let guard = Arc::clone(&dropped);
    let mut service = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(AdoptDeadlineLayer::new())
        .service(service_fn(move |_: Request<()>| {
            let guard = OnDrop(Arc::clone(&guard));
            async move {
                let _guard = guard;
                pending::<Result<Response<Full<Bytes>>, Infallible>>().await
            }
        }));
    let start = Instant::now();
    let response = service
        .ready()
        .await
        .expect("ready")
        .call(request(&["800"]));
    let response = response.await.expect("an answer");
    assert_eq!(start.elapsed().as_millis(), 800);
    assert_eq!(dropped.load(Ordering::Relaxed), 1, "before the answer");
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    // 503 would say that the request was not taken.
    assert!(response.headers().get("retry-after").is_none());
    let body = response.into_body().collect().await.expect("a body");
    let body: serde_json::Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
    assert_eq!(body["statusCode"], 504);
    assert_eq!(body["message"], "The caller's deadline has passed");
    assert_eq!(body["correlationId"], "req-1");

    let mut head = request(&["800"]);
    *head.method_mut() = Method::HEAD;
    let response = service.ready().await.expect("ready").call(head);
    let response = response.await.expect("an answer");
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(response.headers().contains_key("content-length"));
    let body = response.into_body().collect().await.expect("a body");
    assert_eq!(body.to_bytes(), Bytes::new());
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_ends_in_time_answers_for_itself() {
    let service = ServiceBuilder::new()
        .layer(AdoptDeadlineLayer::new())
        .service(service_fn(|_: Request<()>| async {
            sleep(Duration::from_millis(800)).await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("done"))))
        }));
    for values in [&["800"][..], &["801"], &["0"], &[]] {
        let response = service.clone().oneshot(request(values)).await;
        assert_eq!(response.expect("an answer").status(), 200, "{values:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn outside_of_a_scope_the_handler_is_cancelled_all_the_same() {
    let service = AdoptDeadlineLayer::new();
    let service = tower_layer::Layer::layer(
        &service,
        service_fn(|_: Request<()>| pending::<Result<Response<Full<Bytes>>, Infallible>>()),
    );
    let start = Instant::now();
    let response = service.oneshot(request(&["30"])).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(start.elapsed().as_millis(), 30);
}

#[tokio::test]
async fn the_mark_of_a_retry_is_in_the_scope_of_the_request() {
    let service = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .service(service_fn(|_: Request<()>| async {
            let mut response = Response::new(Full::new(Bytes::new()));
            let mark = RequestContext::current().retry_attempt();
            response.extensions_mut().insert(mark);
            Ok::<_, Infallible>(response)
        }));
    for (value, mark) in [(None, None), (Some("2"), Some(2_u8)), (Some("x"), None)] {
        let mut request = Request::new(());
        if let Some(value) = value {
            let value = http::HeaderValue::from_static(value);
            request.headers_mut().insert("x-retry-attempt", value);
        }
        let response = service.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.extensions().get(), Some(&mark), "{value:?}");
    }
}
