//! How a server stops, on real sockets.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use civic_server::{Server, Shutdown};
use civic_testkit::log::Capture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A server whose one route, `/wait`, says that it was reached and answers when it is told to.
struct Served {
    address: SocketAddr,
    shutdown: Shutdown,
    reached: mpsc::Receiver<()>,
    answer: mpsc::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Served {
    async fn start(change: impl FnOnce(Server) -> Server) -> Self {
        let (reach, reached) = mpsc::channel(1);
        let (answer, told) = mpsc::channel(1);
        let told = std::sync::Arc::new(tokio::sync::Mutex::new(told));
        let wait = async move || {
            let _ = reach.send(()).await;
            let _ = told.lock().await.recv().await;
            "answered"
        };
        let app = Router::new()
            .route("/wait", get(wait))
            .route("/", get(async || "hello"));
        let server = change(Server::bind("127.0.0.1", 0).await.unwrap());
        let address = server.local_addr();
        let shutdown = Shutdown::new();
        let server = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { server.serve(app, &shutdown).await }
        });
        Self {
            address,
            shutdown,
            reached,
            answer,
            server,
        }
    }

    async fn send(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// A request that has reached its handler.
    async fn in_flight(&mut self) -> TcpStream {
        let stream = self.send("/wait").await;
        self.reached.recv().await.unwrap();
        stream
    }
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    // A connection that is cut off may be reset.
    let _ = stream.read_to_string(&mut text).await;
    text
}

#[tokio::test]
async fn a_drain_answers_the_request_in_flight_takes_no_new_one_and_closes_idle_connections() {
    let mut served = Served::start(|server| server).await;
    let mut idle = served.send("/").await;
    let mut head = [0; 15];
    idle.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    let in_flight = served.in_flight().await;

    served.shutdown.drain();
    rest(idle).await;
    // The listener is closed when the drain begins, which may be a moment after it was told.
    while TcpStream::connect(served.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!served.server.is_finished());

    served.answer.send(()).await.unwrap();
    assert!(rest(in_flight).await.ends_with("answered"));
    served.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_says_that_it_stops_even_if_it_is_idle() {
    let capture = Capture::start();
    for _ in 0..20 {
        let served = Served::start(|server| server).await;
        served.shutdown.drain();
        served.server.await.unwrap().unwrap();
    }
    assert_eq!(capture.text().matches("stopping").count(), 20);
}

#[tokio::test]
async fn an_abort_cuts_off_what_is_open_and_ends_the_server_at_once() {
    let mut served = Served::start(|server| server).await;
    let in_flight = served.in_flight().await;
    served.shutdown.drain();
    served.shutdown.abort();
    served.server.await.unwrap().unwrap();
    drop(in_flight);
}

#[tokio::test]
async fn an_abort_without_a_drain_drains_too() {
    let shutdown = Shutdown::new();
    shutdown.abort();
    shutdown.draining().await;
    shutdown.aborting().await;
}

#[tokio::test(start_paused = true)]
async fn the_drain_ends_after_ten_seconds_unless_told_otherwise() {
    for (limit, change) in [(10, None), (3, Some(Duration::from_secs(3)))] {
        let mut served = Served::start(|server| match change {
            Some(limit) => server.with_drain_limit(limit),
            None => server,
        })
        .await;
        let in_flight = served.in_flight().await;
        let begun = tokio::time::Instant::now();
        served.shutdown.drain();
        served.server.await.unwrap().unwrap();
        assert_eq!(begun.elapsed().as_secs(), limit);
        drop(in_flight);
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let server = Server::bind("127.0.0.1", 0).await.unwrap();
    let port = server.local_addr().port();
    let taken = Server::bind("127.0.0.1", port).await;
    assert_eq!(taken.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_socket_that_listens_already_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::from_listener(listener).unwrap();
    assert_eq!(server.local_addr(), address);
    let shutdown = Shutdown::new();
    let app = Router::new().route("/", get(async || "hello"));
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let text = rest(stream).await;
        shutdown.drain();
        text
    };
    let (served, text) = tokio::join!(server.serve(app, &shutdown), asked);
    served.unwrap();
    assert!(text.ends_with("hello"), "{text}");
}
