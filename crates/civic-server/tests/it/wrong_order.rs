//! The order of the standard stack: what each part sees where it belongs, and what is lost where it
//! does not. Each row of the table in the documentation of `layer::stack` is a test here.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use civic_auth::layer::AdoptDeadlineLayer;
use civic_auth::{AuthLayer, CorrelationIdLayer, RequestContext};
use civic_envelope::EnvelopeLayer;
use civic_server::layer::{EdgeLayer, ObserveLayer, RequestOutcome};
use civic_server::{ErrorShapeLayer, Failure, Json, ShedLayer, StackLayer};
use http::header::{ACCEPT_ENCODING, AUTHORIZATION};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use tower::{Service, ServiceBuilder, ServiceExt as _, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_layer::Layer as _;

use crate::support::{minter, verifier};

/// The answer of a service to a request with an id that is no valid one, and with gzip accepted.
async fn ask<S, B>(service: S) -> (StatusCode, HeaderMap, Bytes)
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let request = Request::builder()
        .header("x-correlation-id", "two words")
        .header(ACCEPT_ENCODING, "gzip")
        .header("x-request-timeout-ms", "1000")
        .header("x-retry-attempt", "2")
        .header(AUTHORIZATION, minter().mint().to_header_value())
        .body(Body::empty());
    let (parts, body) = service
        .oneshot(request.unwrap())
        .await
        .unwrap()
        .into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, body)
}

fn id_of(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).expect("an error body");
    json["correlationId"].as_str().unwrap().to_owned()
}

async fn long(_: Request) -> Result<Response, Infallible> {
    Ok(Json("long ".repeat(1000)).into_response())
}

async fn long_error(_: Request) -> Result<Response, Infallible> {
    let words = "long ".repeat(1000);
    Ok(IntoResponse::into_response(Failure::new(
        StatusCode::CONFLICT,
        words,
    )))
}

async fn panics(_: Request) -> Result<Response, Infallible> {
    panic!("a bug")
}

fn caught(_: Box<dyn std::any::Any + Send>) -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    IntoResponse::into_response(Failure::new(status, "Internal server error"))
}

#[tokio::test]
async fn the_envelope_is_inside_of_compression_or_long_answers_have_none() {
    let right = ask(StackLayer::new().layer(service_fn(long))).await;
    assert_eq!(
        (&right.1["content-encoding"], &right.1["x-envelope"]),
        (&"gzip".parse().unwrap(), &"1".parse().unwrap())
    );
    let wrong = ServiceBuilder::new()
        .layer(EnvelopeLayer::new())
        .layer(CompressionLayer::new())
        .service(service_fn(long));
    let wrong = ask(wrong).await;
    assert_eq!(wrong.1["content-encoding"], "gzip");
    assert_eq!(wrong.1.get("x-envelope"), None);
}

#[tokio::test]
async fn the_error_shape_is_inside_of_compression_or_long_errors_cannot_be_read() {
    let right = ask(StackLayer::new().layer(service_fn(long_error))).await;
    assert_eq!(
        (right.0.as_u16(), &right.1["content-encoding"]),
        (409, &"gzip".parse().unwrap())
    );
    let wrong = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(ErrorShapeLayer::new())
        .layer(CompressionLayer::new())
        .service(service_fn(long_error));
    let wrong = ask(wrong).await;
    assert_eq!(
        wrong.1.get("content-encoding"),
        None,
        "compressed for nothing and rendered again"
    );
}

#[tokio::test]
async fn the_guard_is_inside_of_the_correlation_id_or_a_401_has_no_valid_one() {
    let refused = |id: String| id == "unknown" || id == "two words";
    let anonymous = ServiceBuilder::new().map_request(|mut request: Request| {
        request.headers_mut().remove(AUTHORIZATION);
        request
    });
    let guard = AuthLayer::new(verifier());
    let right = anonymous
        .clone()
        .layer(StackLayer::new())
        .layer(guard.clone());
    let right = ask(right.service(service_fn(long))).await;
    assert_eq!(right.0, 401);
    assert!(!refused(id_of(&right.2)));
    assert_eq!(
        id_of(&right.2),
        right.1["x-correlation-id"].to_str().unwrap()
    );
    let wrong = anonymous.layer(guard).layer(StackLayer::new());
    let wrong = ask(wrong.service(service_fn(long))).await;
    assert_eq!(wrong.0, 401);
    assert!(refused(id_of(&wrong.2)), "{:?}", wrong.2);
    assert_eq!(wrong.1.get("x-correlation-id"), None);
}

#[tokio::test]
async fn panics_are_caught_inside_of_the_correlation_id_and_of_the_error_shape_or_a_500_has_no_id()
{
    let right = ask(StackLayer::new().layer(service_fn(panics))).await;
    assert_eq!(right.0, 500);
    assert_eq!(
        id_of(&right.2),
        right.1["x-correlation-id"].to_str().unwrap()
    );

    let outside_only = ServiceBuilder::new()
        .layer(CatchPanicLayer::custom(caught))
        .layer(CorrelationIdLayer::new())
        .layer(ErrorShapeLayer::new())
        .service(service_fn(panics));
    let outside_only = ask(outside_only).await;
    assert_eq!(
        (outside_only.0.as_u16(), id_of(&outside_only.2).as_str()),
        (500, "unknown")
    );
    assert_eq!(outside_only.1.get("x-correlation-id"), None);

    let outside_of_the_shape = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(CatchPanicLayer::custom(caught))
        .layer(ErrorShapeLayer::new())
        .service(service_fn(panics));
    let outside_of_the_shape = ask(outside_of_the_shape).await;
    assert_eq!(id_of(&outside_of_the_shape.2), "unknown");
}

#[tokio::test]
async fn the_deadline_is_inside_of_the_correlation_id_or_calls_do_not_know_it() {
    let told = async |_: Request| {
        let known = RequestContext::current().deadline().is_some();
        Ok::<_, Infallible>(Json(known).into_response())
    };
    let right = ask(StackLayer::new().without_envelope().layer(service_fn(told))).await;
    assert_eq!(right.2, "true");
    let wrong = ServiceBuilder::new()
        .layer(AdoptDeadlineLayer::new())
        .layer(CorrelationIdLayer::new())
        .service(service_fn(told));
    assert_eq!(ask(wrong).await.2, "false");
}

#[tokio::test]
async fn the_limit_is_outside_of_the_guard_or_a_shed_request_costs_a_verification() {
    let forged = ServiceBuilder::new().map_request(|mut request: Request| {
        request
            .headers_mut()
            .insert(AUTHORIZATION, "Bearer a.b.c".parse().unwrap());
        request
    });
    let guard = AuthLayer::new(verifier());
    let right = forged.clone().layer(ShedLayer::new(0)).layer(guard.clone());
    assert_eq!(ask(right.service(service_fn(long))).await.0, 503);
    let wrong = forged.layer(guard).layer(ShedLayer::new(0));
    assert_eq!(ask(wrong.service(service_fn(long))).await.0, 401);
}

#[tokio::test]
async fn the_observer_is_outside_of_what_catches_panics_or_a_500_is_no_answer_to_it() {
    let outcomes = Arc::<Mutex<Vec<(Option<StatusCode>, RequestOutcome)>>>::default();
    let observer = || {
        let outcomes = Arc::clone(&outcomes);
        move |event: &civic_server::layer::RequestEvent<'_>| {
            outcomes.lock().unwrap().push((event.status, event.outcome));
        }
    };
    ask(StackLayer::new()
        .with_observer(observer())
        .layer(service_fn(panics)))
    .await;
    let wrong = ServiceBuilder::new()
        .layer(CatchPanicLayer::custom(caught))
        .layer(ObserveLayer::new(observer()))
        .service(service_fn(panics));
    ask(wrong).await;
    let seen = outcomes.lock().unwrap();
    assert_eq!(
        seen[..],
        [
            (
                Some(StatusCode::INTERNAL_SERVER_ERROR),
                RequestOutcome::Answered
            ),
            (None, RequestOutcome::NoAnswer),
        ]
    );
}

#[tokio::test]
async fn inside_of_the_correlation_id_an_edge_is_too_late_for_the_mark_of_a_retry() {
    let marked = async |_: Request| {
        let mark = RequestContext::current().retry_attempt();
        Ok::<_, Infallible>(Json(mark).into_response())
    };
    let right = ServiceBuilder::new()
        .layer(EdgeLayer::new())
        .layer(CorrelationIdLayer::new())
        .service(service_fn(marked));
    assert_eq!(&ask(right).await.2[..], b"null");
    let wrong = ServiceBuilder::new()
        .layer(CorrelationIdLayer::new())
        .layer(EdgeLayer::new())
        .service(service_fn(marked));
    assert_eq!(&ask(wrong).await.2[..], b"2");
}

#[tokio::test]
async fn the_stack_is_the_same_in_a_service_builder_and_in_axums_chain() {
    let routes = || axum::Router::new().route("/", axum::routing::get(async || Json(1)));
    let chain = routes().layer(StackLayer::new());
    let builder = routes().layer(ServiceBuilder::new().layer(StackLayer::new()));
    for app in [chain, builder] {
        let (status, headers, body) = ask(app).await;
        assert_eq!(status, 200);
        assert_eq!(headers["x-envelope"], "1");
        assert!(headers.contains_key("x-correlation-id"));
        assert!(body.starts_with(br#"{"success":true,"data":1,"#));
    }
}

#[tokio::test]
async fn every_option_of_the_stack_switches_its_part_off() {
    let bare = StackLayer::new().without_envelope().without_compression();
    let (_, headers, body) = ask(bare.layer(service_fn(long))).await;
    assert_eq!(headers.get("x-envelope"), None);
    assert_eq!(headers.get("content-encoding"), None);
    assert!(body.starts_with(b"\"long "));

    let path = EnvelopeLayer::new().with_excluded_paths(["/"]);
    let (_, headers, _) = ask(StackLayer::new()
        .with_envelope(path)
        .layer(service_fn(long)))
    .await;
    assert_eq!(headers.get("x-envelope"), None);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_caller_is_adopted_unless_it_is_switched_off() {
    let slow = async |_: Request| {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok::<_, Infallible>(StatusCode::OK.into_response())
    };
    let adopted = ask(StackLayer::new().layer(service_fn(slow))).await;
    assert_eq!(adopted.0, 504);
    let ignored = ask(StackLayer::new().without_deadline().layer(service_fn(slow))).await;
    assert_eq!(ignored.0, 200);
}
