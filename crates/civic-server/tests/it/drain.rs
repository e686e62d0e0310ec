//! The end of a server, step by step, on paused time.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use civic_server::{Server, Service, Shutdown};
use civic_testkit::log::Capture;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep};

use crate::support::verifier;
use crate::support::wire::{Caller, Served};

/// A server with a route that says that it was reached, and answers when it is told to.
struct Waiting {
    served: Served,
    reached: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
}

impl Waiting {
    fn start(change: impl FnOnce(Server) -> Server) -> Self {
        let (reach, reached) = mpsc::channel(1);
        let (release, released) = mpsc::channel(1);
        let released = Arc::new(Mutex::new(released));
        let wait = async move || {
            let _ = reach.send(()).await;
            let _ = released.lock().await.recv().await;
            "answered"
        };
        let routes = Router::new()
            .route("/wait", get(wait))
            .route("/hello", get(async || "hello"));
        let app = Service::new("/api", verifier())
            .unwrap()
            .public(routes)
            .into_router();
        Self {
            served: Served::start_with(app, change),
            reached,
            release,
        }
    }

    /// A request that has reached its handler.
    async fn in_flight(&mut self) -> Caller {
        let mut caller = self.served.connect();
        caller
            .write("GET /api/wait HTTP/1.1\r\nhost: x\r\n\r\n")
            .await;
        self.reached.recv().await.unwrap();
        caller
    }
}

#[tokio::test(start_paused = true)]
async fn the_service_is_not_ready_from_the_moment_at_which_the_drain_begins() {
    let waiting = Waiting::start(|server| server);
    let served = &waiting.served;
    let ready = served.connect().get("/health/ready").await;
    assert_eq!(ready.status, 200);
    served.shutdown.drain();
    for path in ["/health/ready", "/api/health/ready"] {
        let answer = served.connect().get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.json()["status"], "shutting_down");
    }
    // The process lives on, and must not be killed for that.
    assert_eq!(served.connect().get("/health").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn each_answer_during_the_drain_is_the_last_of_its_connection_and_says_so() {
    let waiting = Waiting::start(|server| server);
    let served = &waiting.served;
    let mut kept = served.connect();
    assert_eq!(kept.get("/api/hello").await.header("connection"), None);
    served.shutdown.drain();
    for mut caller in [kept, served.connect()] {
        let answer = caller.get("/api/hello").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(caller.rest().await, "", "and then it is closed");
    }
}

#[tokio::test(start_paused = true)]
async fn connections_are_accepted_for_five_seconds_and_then_refused() {
    let waiting = Waiting::start(|server| server);
    let served = &waiting.served;
    served.shutdown.drain();
    sleep(Duration::from_millis(4990)).await;
    assert_eq!(served.connect().get("/api/hello").await.status, 200);
    sleep(Duration::from_millis(20)).await;
    let refused = served.connector.connect().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_last_and_prolong_nothing() {
    let waiting = Waiting::start(|server| server);
    let served = waiting.served;
    let mut idle = served.connect();
    idle.get("/api/hello").await;
    let mut fresh = served.connect();
    let begun = Instant::now();
    served.shutdown.drain();
    let rests = tokio::join!(idle.rest(), fresh.rest());
    assert_eq!(rests, (String::new(), String::new()));
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    served.ended().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_half_sent_is_cut_off_at_the_end_of_the_delay_and_prolongs_nothing() {
    for (name, sent) in [
        ("one byte", "G"),
        ("half a line", "GET /api/wa"),
        ("half a head", "GET / HTTP/1.1\r\nhost: x\r\nx-a: "),
        ("half a preface", "PRI * HTTP/2"),
        ("a preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ] {
        let served = Waiting::start(|server| server.with_head_timeout(Duration::MAX / 4)).served;
        let mut first = served.connect();
        first.write(sent).await;
        let mut second = served.connect();
        second.get("/api/hello").await;
        second.write(sent).await;
        sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        served.shutdown.drain();
        served.ended().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(5), "{name}");
        let _ = tokio::join!(first.rest(), second.rest());
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_is_answered_after_the_listener_was_closed() {
    let mut waiting = Waiting::start(|server| server);
    let mut caller = waiting.in_flight().await;
    waiting.served.shutdown.drain();
    sleep(Duration::from_secs(19)).await;
    assert!(waiting.served.connector.connect().is_err());
    assert!(!waiting.served.server.is_finished());
    waiting.release.send(()).await.unwrap();
    let answer = caller.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "answered"));
    assert_eq!(answer.header("connection"), Some("close"));
    waiting.served.ended().await;
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_have_fifteen_seconds_after_the_delay_of_five_unless_told_otherwise() {
    let changes: [(u64, fn(Server) -> Server); 3] = [
        (20, |server| server),
        (3 + 15, |server| {
            server.with_drain_delay(Duration::from_secs(3))
        }),
        (5 + 2, |server| {
            server.with_drain_limit(Duration::from_secs(2))
        }),
    ];
    for (seconds, change) in changes {
        let mut waiting = Waiting::start(change);
        let mut caller = waiting.in_flight().await;
        let begun = Instant::now();
        waiting.served.shutdown.drain();
        waiting.served.ended().await;
        assert_eq!(begun.elapsed().as_secs(), seconds);
        assert_eq!(caller.rest().await, "", "cut off");
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_cuts_off_what_is_open_whichever_step_the_drain_has_reached() {
    for after in [None, Some(1), Some(7)] {
        let mut waiting = Waiting::start(|server| server);
        let mut caller = waiting.in_flight().await;
        if let Some(seconds) = after {
            waiting.served.shutdown.drain();
            sleep(Duration::from_secs(seconds)).await;
        }
        let begun = Instant::now();
        waiting.served.shutdown.abort();
        waiting.served.ended().await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "{after:?}");
        assert_eq!(caller.rest().await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_says_that_it_stops_even_if_it_is_idle() {
    let capture = Capture::start();
    let (server, _connector) = Server::in_memory();
    let shutdown = Shutdown::new();
    shutdown.drain();
    server.serve(Router::new(), &shutdown).await.unwrap();
    assert_eq!(capture.text().matches("stopping").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_streams_when_the_listener_is_closed_is_sent_to_its_end() {
    let (mut sender, body) = Channel::<bytes::Bytes, std::io::Error>::new(1);
    let body = Arc::new(Mutex::new(Some(axum::body::Body::new(body))));
    let stream = async move || body.lock().await.take().unwrap();
    let served = Served::start(Router::new().route("/", get(stream)));
    let mut caller = served.connect();
    caller.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    sender.send_data("first ".into()).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    served.shutdown.drain();
    sleep(Duration::from_secs(10)).await;
    sender.send_data("last".into()).await.unwrap();
    drop(sender);
    let text = caller.rest().await;
    assert!(text.contains("first ") && text.contains("last"), "{text}");
    assert!(text.ends_with("0\r\n\r\n"), "{text}");
    served.ended().await;
}

#[tokio::test(start_paused = true)]
async fn over_http2_the_drain_sends_goaway_at_once_and_answers_what_is_in_flight() {
    let mut waiting = Waiting::start(|server| server);
    let stream = waiting.served.connector.connect().unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = |path: &str| {
        http::Request::get(format!("http://x{path}"))
            .body(Empty::<bytes::Bytes>::new())
            .unwrap()
    };
    let answer = sender.send_request(request("/api/hello")).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert_eq!(answer.headers().get("connection"), None);
    drop(answer.into_body().collect().await.unwrap());

    let in_flight = tokio::spawn(sender.send_request(request("/api/wait")));
    waiting.reached.recv().await.unwrap();
    let begun = Instant::now();
    waiting.served.shutdown.drain();
    waiting.release.send(()).await.unwrap();
    let answer = in_flight.await.unwrap().unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "answered");
    // The caller was told that there will be no more: without that, it would wait for the close.
    connection.await.unwrap().unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_the_process_begins_the_drain_and_the_drain_cancels_the_token() {
    let token = tokio_util::sync::CancellationToken::new();
    let shutdown = Shutdown::from(token.clone());
    assert!(!shutdown.is_draining());
    token.cancel();
    shutdown.draining().await;
    assert!(shutdown.is_draining());

    let shutdown = Shutdown::new();
    let token = shutdown.token();
    shutdown.drain();
    token.cancelled().await;
}
