//! `ErrorShapeLayer` alone, without the standard stack.

use std::convert::Infallible;

use bytes::Bytes;
use civic_envelope::{CorrelationId, ErrorBody, SkipEnvelope};
use civic_server::Failure;
use civic_server::layer::{AnswerBody, ErrorShape, ErrorShapeLayer};
use civic_testkit::contract::assert_ready_before_call;
use civic_testkit::log::Capture;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tower::ServiceExt as _;
use tower_layer::Layer as _;

/// The answer to a request with this method, whose id is `req-1`.
async fn shaped(method: Method, inner: Response<Full<Bytes>>) -> Response<AnswerBody<Full<Bytes>>> {
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

async fn text(response: Response<AnswerBody<Full<Bytes>>>) -> String {
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

/// An answer with this status, content type and body, as `shaped` makes it.
async fn answered(
    status: u16,
    content_type: Option<&str>,
    body: &'static str,
) -> Response<AnswerBody<Full<Bytes>>> {
    let mut inner = Response::new(Full::from(body));
    *inner.status_mut() = StatusCode::from_u16(status).unwrap();
    inner
        .headers_mut()
        .insert(CONTENT_LENGTH, body.len().into());
    if let Some(content_type) = content_type {
        inner
            .headers_mut()
            .insert(CONTENT_TYPE, content_type.parse().unwrap());
    }
    shaped(Method::GET, inner).await
}

#[tokio::test]
async fn an_error_without_json_becomes_an_error_body_with_the_words_that_are_known() {
    let long = "x".repeat(2049).leak();
    for (status, content_type, body, message) in [
        (404, None, "", "Not Found"),
        (405, None, "", "Method Not Allowed"),
        (500, None, "", "Internal server error"),
        (503, None, "", "Service Unavailable"),
        (599, None, "", "Unknown error"),
        (
            400,
            Some("text/plain; charset=utf-8"),
            "missing field `owner`\n",
            "missing field `owner`",
        ),
        (404, Some("text/plain"), "  ", "Not Found"),
        (404, Some("text/plain"), long, "Not Found"),
        (404, Some("text/html"), "<h1>nowhere</h1>", "Not Found"),
        (404, Some("application/octet-stream"), "\u{1}", "Not Found"),
        // What a failing service says may be of its inside.
        (
            500,
            Some("text/plain"),
            "password of the database",
            "Internal server error",
        ),
        (502, Some("text/html"), "<h1>nginx</h1>", "Bad Gateway"),
    ] {
        let response = answered(status, content_type, body).await;
        assert_eq!(response.status(), status);
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "application/json; charset=utf-8"
        );
        assert_eq!(response.headers().get(CONTENT_LENGTH), None);
        let text = text(response).await;
        let start = format!(
            r#"{{"statusCode":{status},"message":{},"correlationId":"req-1","timestamp":"#,
            serde_json::Value::from(message)
        );
        assert!(text.starts_with(&start), "{text}");
    }
}

#[tokio::test]
async fn an_answer_that_is_no_error_or_is_json_already_passes_untouched() {
    for (status, content_type) in [
        (200, None),
        (204, None),
        (302, Some("text/plain")),
        (404, Some("application/json")),
        (409, Some("application/problem+json")),
        (500, Some("Application/JSON; charset=utf-8")),
    ] {
        let response = answered(status, content_type, "as it is").await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()[CONTENT_LENGTH], "8");
        assert_eq!(text(response).await, "as it is");
    }
}

#[tokio::test]
async fn a_handler_that_declines_the_envelope_keeps_its_error_as_well() {
    let mut inner = Response::new(Full::from("<h1>nowhere</h1>"));
    *inner.status_mut() = StatusCode::NOT_FOUND;
    inner.extensions_mut().insert(SkipEnvelope);
    assert_eq!(
        text(shaped(Method::GET, inner).await).await,
        "<h1>nowhere</h1>"
    );
}

#[tokio::test]
async fn the_headers_of_an_error_stay_but_for_those_of_the_body_that_was_replaced() {
    let mut inner = Response::new(Full::from("compressed"));
    *inner.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let kept = [
        "retry-after",
        "allow",
        "www-authenticate",
        "set-cookie",
        "x-should-retry",
    ];
    let removed = [
        "content-encoding",
        "content-range",
        "etag",
        "last-modified",
        "content-disposition",
    ];
    for name in kept.into_iter().chain(removed) {
        inner.headers_mut().insert(name, "1".parse().unwrap());
    }
    let response = shaped(Method::GET, inner).await;
    for name in kept {
        assert_eq!(response.headers()[name], "1", "{name}");
    }
    for name in removed {
        assert_eq!(response.headers().get(name), None, "{name}");
    }
}

#[tokio::test]
async fn the_source_of_a_failure_is_logged_once_and_never_sent() {
    for (status, level) in [(500, "ERROR"), (502, "WARN"), (404, "DEBUG")] {
        let capture = Capture::start();
        let status = StatusCode::from_u16(status).unwrap();
        let failure = Failure::new(status, "no").with_source("the disk is full");
        let text = text(shaped(Method::GET, failure.into_response()).await).await;
        assert!(!text.contains("disk"), "{text}");
        let log = capture.text();
        let lines: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("the disk is full"))
            .collect();
        assert_eq!(lines.len(), 1, "{log}");
        assert!(lines[0].contains(level), "{}", lines[0]);
    }
}

#[tokio::test]
async fn a_head_request_gets_no_length_where_the_words_of_get_are_not_known() {
    let mut inner = Response::new(Full::default());
    *inner.status_mut() = StatusCode::BAD_REQUEST;
    inner
        .headers_mut()
        .insert(CONTENT_TYPE, "text/plain".parse().unwrap());
    inner.headers_mut().insert(CONTENT_LENGTH, 7.into());
    let response = shaped(Method::HEAD, inner).await;
    assert_eq!(response.headers().get(CONTENT_LENGTH), None);
    assert_eq!(text(response).await, "");
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
