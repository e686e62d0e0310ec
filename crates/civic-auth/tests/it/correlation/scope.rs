//! What runs in the context of a request.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use civic_auth::layer::CorrelationIdBody;
use civic_auth::{CorrelationIdLayer, RequestContext};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty};
use tower::{Service as _, ServiceExt as _};
use tower_layer::Layer as _;

use super::{current, request};

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
