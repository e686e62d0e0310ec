//! A peer in this process, without a socket.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use civic_auth::{CorrelationId, RequestContext};
use civic_client::{Body, ErrorKind, Phase, Transmission};
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tower::{Service, service_fn};
use tracing::Instrument as _;

use crate::support::{ends, exact};

#[tokio::test(start_paused = true)]
async fn the_whole_stack_stands_above_it_and_a_test_takes_no_time() {
    let count = Arc::<AtomicU32>::default();
    let peer = service_fn(move |request: Request<Body>| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let headers = request.headers();
        for name in [
            "authorization",
            "x-correlation-id",
            "host",
            "accept",
            "user-agent",
        ] {
            assert!(headers.contains_key(name), "{name}");
        }
        assert_eq!(headers["host"], "peer:3020");
        assert_eq!(request.uri(), "/api/things/7?q=1");
        let status = if number < 2 { 503 } else { 200 };
        let answer = Response::builder().status(status);
        async move { answer.body(Full::<bytes::Bytes>::from("1")) }
    });
    let client = exact("http://peer:3020/api")
        .build_in_process(peer)
        .unwrap();
    let start = Instant::now();
    let request = client.get("/things/{id}").param("id", 7).query("q", 1);
    assert_eq!(request.fetch::<u8>().await.unwrap(), 1);
    assert_eq!(start.elapsed(), Duration::from_millis(1500));
}

#[tokio::test(start_paused = true)]
async fn it_does_not_see_the_context_of_its_caller() {
    let peer = service_fn(|_: Request<Body>| async {
        assert!(RequestContext::current().correlation_id().is_none());
        Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::default()))
    });
    let client = exact("http://peer").build_in_process(peer).unwrap();
    let id = CorrelationId::parse("of-the-caller").unwrap();
    let context = RequestContext::default().with_correlation_id(id);
    context.scope(client.get("/").send()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_or_panics_is_like_one_behind_a_socket() {
    let hanging = service_fn(|_: Request<Body>| async {
        sleep(Duration::from_secs(60)).await;
        Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::default()))
    });
    let client = exact("http://peer").build_in_process(hanging).unwrap();
    let error = ends(client.post("/").send()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.phase()),
        (ErrorKind::Timeout, Some(Phase::Waiting))
    );
    assert_eq!(error.transmission(), Transmission::Unknown);
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    sleep(Duration::from_millis(1)).await;
    assert_eq!(tasks(), 0, "it ends with the call");

    let panicking = service_fn(|_: Request<Body>| async {
        assert!(
            RequestContext::current().deadline().is_some(),
            "a defect of the peer"
        );
        Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::default()))
    });
    let client = exact("http://peer").build_in_process(panicking).unwrap();
    let error = ends(client.post("/").send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert_eq!(error.transmission(), Transmission::Unknown);
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_does_at_once_happens_outside_of_the_callers_task_too() {
    // Everything happens in the closure, before there is a future.
    let peer = service_fn(|request: Request<Body>| {
        assert!(RequestContext::current().correlation_id().is_none());
        assert!(tracing::Span::current().is_none());
        assert_ne!(request.uri().path(), "/panic", "a defect of the peer");
        ready(Ok::<_, Infallible>(Response::new(
            Full::<bytes::Bytes>::default(),
        )))
    });
    let client = exact("http://peer").build_in_process(peer).unwrap();
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    let call = |path: &'static str| {
        let id = CorrelationId::parse("of-the-caller").unwrap();
        let context = RequestContext::default().with_correlation_id(id);
        let span = tracing::info_span!("of the caller");
        assert!(!span.is_none());
        let call = client.post(path).send();
        context.scope(call.instrument(span))
    };
    call("/").await.unwrap();
    let error = call("/panic").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert_eq!(error.transmission(), Transmission::Unknown);
}

/// A peer that is ready, or is not and never will be.
#[derive(Clone)]
struct Stateful(Result<(), &'static str>);

impl Service<Request<Body>> for Stateful {
    type Response = Response<Full<bytes::Bytes>>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        assert!(RequestContext::current().correlation_id().is_none());
        Poll::Ready(self.0.map_err(Into::into))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}

#[tokio::test(start_paused = true)]
async fn whether_a_peer_is_ready_is_asked_outside_of_the_callers_task() {
    for (readiness, kind) in [
        (Ok(()), None),
        (Err("it is broken"), Some(ErrorKind::Transport)),
    ] {
        let client = exact("http://peer").build_in_process(Stateful(readiness));
        let client = client.unwrap();
        let id = CorrelationId::parse("of-the-caller").unwrap();
        let context = RequestContext::default().with_correlation_id(id);
        let result = context.scope(client.post("/").send()).await;
        assert_eq!(result.err().map(|error| error.kind()), kind);
    }
}

#[tokio::test]
async fn a_client_whose_url_is_for_tls_can_be_tested_in_process() {
    let peer = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::default()))
    });
    let client = exact("https://peer").build_in_process(peer).unwrap();
    client.get("/").send().await.unwrap();
}
