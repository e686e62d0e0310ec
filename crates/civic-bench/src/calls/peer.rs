//! The peer: hyper alone, which answers with envelopes that were made before.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::runtime;

use crate::work::rows;

/// A server on a thread of its own, for as long as the process lives.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
}

impl Peer {
    /// Starts a server that answers `/rows/<n>` with an envelope around `n` rows, for each of these
    /// numbers, never answers `/hold`, and answers `/held` with how many it does not answer.
    ///
    /// # Panics
    ///
    /// If no port is free.
    #[must_use]
    pub fn start(numbers: &[usize]) -> Self {
        let answers: HashMap<String, Bytes> = numbers
            .iter()
            .map(|&number| (format!("/rows/{number}"), Bytes::from(rows(number))))
            .collect();
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new()
            .name("peer".into())
            .spawn(move || {
                let runtime = runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime can be made");
                runtime.block_on(serve(Arc::new(answers), &sender));
            })
            .expect("a thread can be started");
        let address = receiver.recv().expect("the peer tells where it listens");
        Self { address }
    }

    /// Returns the base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(answers: Arc<HashMap<String, Bytes>>, told: &mpsc::Sender<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    told.send(address)
        .expect("the caller waits for the address");
    let held = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        // As every service of a platform does: an answer is one packet.
        let _ = stream.set_nodelay(true);
        let (answers, held) = (Arc::clone(&answers), Arc::clone(&held));
        let service = service_fn(move |request: Request<Incoming>| {
            let path = request.uri().path();
            let found = match path {
                "/held" => Some(Bytes::from(held.load(Ordering::Relaxed).to_string())),
                path => answers.get(path).cloned(),
            };
            let holding = (path == "/hold").then(|| Holding::new(Arc::clone(&held)));
            async move {
                if holding.is_some() {
                    pending::<()>().await;
                }
                Ok::<_, Infallible>(answer(found))
            }
        });
        tokio::spawn(async move {
            let connection = auto::Builder::new(TokioExecutor::new());
            // A client that goes away is no concern of a benchmark.
            let _ = connection
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// A request that is not answered, while its caller waits.
struct Holding(Arc<AtomicUsize>);

impl Holding {
    fn new(held: Arc<AtomicUsize>) -> Self {
        held.fetch_add(1, Ordering::Relaxed);
        Self(held)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn answer(found: Option<Bytes>) -> Response<Full<Bytes>> {
    let status = if found.is_some() {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    let mut response = Response::new(Full::new(found.unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}
