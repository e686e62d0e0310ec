//! One correlation id per request, on everything that the request causes.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use civic_auth::layer::CorrelationIdBody;
use civic_auth::{
    AuthLayer, CORRELATION_ID, CorrelationId, CorrelationIdLayer, InternalHeadersLayer,
    RequestContext,
};
use civic_testkit::log::Capture;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty, Full};
use tower::{Service, ServiceBuilder, ServiceExt as _};
use tower_layer::Layer as _;

use crate::support::{minter, verifier};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn request(id: &str) -> Request<Empty<Bytes>> {
    Request::builder()
        .header(CORRELATION_ID, id)
        .body(Empty::new())
        .expect("a request")
}

fn current() -> Option<String> {
    RequestContext::current()
        .correlation_id()
        .map(ToString::to_string)
}

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

/// Notes which id is current when it is called, polled and dropped.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<(&'static str, Option<String>)>>>);

impl Notes {
    fn note(&self, event: &'static str) {
        self.0
            .lock()
            .expect("not poisoned")
            .push((event, current()));
    }

    fn take(&self) -> Vec<(&'static str, Option<String>)> {
        std::mem::take(&mut self.0.lock().expect("not poisoned"))
    }
}

struct NotingFuture(Notes);

impl Future for NotingFuture {
    type Output = Result<Response<NotingBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.note("future polled");
        Poll::Ready(Ok(Response::new(NotingBody(self.0.clone()))))
    }
}

impl Drop for NotingFuture {
    fn drop(&mut self) {
        self.0.note("future dropped");
    }
}

struct NotingBody(Notes);

impl Body for NotingBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.note("body polled");
        Poll::Ready(None)
    }
}

impl Drop for NotingBody {
    fn drop(&mut self) {
        self.0.note("body dropped");
    }
}

#[tokio::test]
async fn call_future_and_body_run_and_are_dropped_in_the_context() {
    let notes = Notes::default();
    let inner = notes.clone();
    let mut service =
        CorrelationIdLayer::new().layer(tower::service_fn(move |_: Request<Empty<Bytes>>| {
            inner.note("called");
            NotingFuture(inner.clone())
        }));
    let response = service
        .ready()
        .await
        .expect("infallible")
        .call(request("req-1"))
        .await
        .expect("infallible");
    let id = || Some("req-1".to_owned());
    assert_eq!(
        notes.take(),
        [
            ("called", id()),
            ("future polled", id()),
            ("future dropped", id())
        ]
    );

    // The future has ended long ago.
    let mut body = Box::pin(response.into_body());
    assert!(body.frame().await.is_none());
    drop(body);
    assert_eq!(
        notes.take(),
        [("body polled", id()), ("body dropped", id())]
    );

    // A caller that goes away.
    drop(
        service
            .ready()
            .await
            .expect("infallible")
            .call(request("req-1")),
    );
    assert_eq!(notes.take(), [("called", id()), ("future dropped", id())]);
}

#[tokio::test]
async fn a_streamed_body_that_is_polled_after_the_future_ended_sees_the_context() {
    // A real server: it polls the body long after the handler has returned.
    let handler = || async {
        let body = axum::body::Body::new(Streamed { left: 3 });
        (StatusCode::OK, body)
    };
    let app = axum::Router::new()
        .route("/stream", axum::routing::get(handler))
        .layer(CorrelationIdLayer::new());
    let answer = serve(
        app,
        "GET /stream HTTP/1.1\r\nhost: a\r\nx-correlation-id: req-7\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(answer.matches("[req-7]").count(), 3, "{answer}");
}

struct Streamed {
    left: usize,
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.left.checked_sub(1).map(|left| {
            self.left = left;
            Ok(Frame::data(Bytes::from(format!(
                "[{}]",
                current().unwrap_or_default()
            ))))
        }))
    }
}

/// Serves one connection of a router, and returns all that it answered.
async fn serve(app: axum::Router, request: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    server.abort();
    answer
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
async fn a_spawned_task_does_not_see_the_context_unless_it_is_carried() {
    let service = tower::service_fn(|_: Request<Empty<Bytes>>| async {
        let alone = tokio::spawn(async { current() }).await.expect("no panic");
        let carried = tokio::spawn(RequestContext::current().scope(async { current() }))
            .await
            .expect("no panic");
        let blocking = tokio::task::spawn_blocking(current)
            .await
            .expect("no panic");
        let context = RequestContext::current();
        let carried_blocking = tokio::task::spawn_blocking(move || context.in_scope(current))
            .await
            .expect("no panic");
        assert_eq!((alone, blocking), (None, None));
        assert_eq!(
            (carried.as_deref(), carried_blocking.as_deref()),
            (Some("req-1"), Some("req-1"))
        );
        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
    });
    CorrelationIdLayer::new()
        .layer(service)
        .oneshot(request("req-1"))
        .await
        .expect("infallible");
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

#[tokio::test]
async fn an_outgoing_call_carries_id_and_trace_without_the_handler_passing_them() {
    let sent = Arc::new(Mutex::new(HeaderMap::new()));
    let peer = Arc::clone(&sent);
    let client = InternalHeadersLayer::new(minter()).layer(tower::service_fn(
        move |request: Request<Empty<Bytes>>| {
            *peer.lock().expect("not poisoned") = request.headers().clone();
            ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
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

#[tokio::test]
async fn a_body_that_outlives_the_context_of_its_thread_is_dropped_without_a_panic() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    impl Body for Counted {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }
    thread_local! {
        static HELD: RefCell<Option<CorrelationIdBody<Counted>>> =
            const { RefCell::new(None) };
    }

    let drops = Arc::new(AtomicUsize::new(0));
    let counted = Counted(Arc::clone(&drops));
    let response = CorrelationIdLayer::new()
        .layer(tower::service_fn({
            let mut body = Some(counted);
            move |_: Request<()>| {
                let body = body.take().expect("one request");
                ready(Ok::<_, Infallible>(Response::new(body)))
            }
        }))
        .oneshot(Request::new(()))
        .await
        .expect("infallible");
    let body = response.into_body();
    // The body is put away before the thread has a context, so it is dropped after the context.
    std::thread::spawn(move || {
        HELD.set(Some(body));
        RequestContext::default().in_scope(|| ());
    })
    .join()
    .expect("the thread ends without a panic");
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}
