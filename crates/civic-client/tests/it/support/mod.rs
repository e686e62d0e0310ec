//! What most tests need.

pub(crate) mod fleet;
#[cfg(feature = "http2")]
pub(crate) mod http2;
pub(crate) mod in_process;
pub(crate) mod names;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use civic_auth::{Secret, TokenMinter};
use civic_client::{Error, Jitter, ServiceClient, ServiceClientBuilder};
use civic_testkit::log::{Capture, Fields};
use civic_testkit::upstream::{Attempt, Step, Upstream};
use http::Method;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

pub(crate) const SECRET: &str = "a secret of more than thirty-two bytes";

/// A second of some day in 2026.
const EPOCH: u64 = 1_795_000_000;

pub(crate) fn minter() -> TokenMinter {
    TokenMinter::new(Secret::new(SECRET).unwrap())
}

/// A minter whose wall clock moves with tokio's, paused or not.
pub(crate) fn minter_from(start: Instant) -> TokenMinter {
    minter().with_clock(move || at(start.elapsed()))
}

/// The token of one moment.
pub(crate) fn token_at(elapsed: Duration) -> String {
    minter()
        .with_clock(move || at(elapsed))
        .mint()
        .as_str()
        .to_owned()
}

fn at(elapsed: Duration) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH) + elapsed
}

/// A client without jitter.
pub(crate) fn exact(url: &str) -> ServiceClientBuilder {
    // Before the client logs for the first time: another test may capture.
    civic_testkit::log::install();
    let builder = ServiceClient::builder(url)
        .minter(minter())
        .jitter(Jitter::None);
    #[cfg(feature = "garde")]
    let builder = builder.validation(civic_client::Validation::Enforce);
    builder
}

/// A builder for a client over a stack of the test's own.
pub(crate) fn bare(url: &str) -> ServiceClientBuilder {
    civic_testkit::log::install();
    let builder = ServiceClient::builder(url);
    #[cfg(feature = "garde")]
    let builder = builder.validation(civic_client::Validation::Enforce);
    builder
}

pub(crate) fn client_of(peer: &Upstream) -> ServiceClient {
    exact(&peer.url()).build().unwrap()
}

pub(crate) async fn peer(script: impl IntoIterator<Item = Step>) -> (Upstream, ServiceClient) {
    let peer = Upstream::start(script).await;
    let client = client_of(&peer);
    (peer, client)
}

/// A call of this method, with a body where the method usually has one.
pub(crate) async fn call(client: &ServiceClient, method: &Method) -> Result<(), Error> {
    let request = client
        .request(method.clone(), "/things/{id}")
        .param("id", 7);
    let request = match *method {
        Method::POST | Method::PATCH | Method::PUT => request.json(&true),
        _ => request,
    };
    ends(request.send()).await.map(drop)
}

/// Makes a failure of what would otherwise hang for ever. On a paused clock it takes no time.
pub(crate) async fn ends<F: Future>(future: F) -> F::Output {
    let hour = Duration::from_secs(3600);
    tokio::time::timeout(hour, future)
        .await
        .expect("it ends by itself")
}

/// When each attempt arrived, in milliseconds after the first.
pub(crate) fn millis(attempts: &[Attempt]) -> Vec<u128> {
    let first = attempts.first().map(|attempt| attempt.at);
    attempts
        .iter()
        .filter_map(|attempt| Some(attempt.at.duration_since(first?).as_millis()))
        .collect()
}

/// The one value that all attempts have for this header.
pub(crate) fn same_on_all<'a>(attempts: &'a [Attempt], header: &str) -> &'a str {
    let value = attempts[0]
        .header(header)
        .unwrap_or_else(|| panic!("{header} is there"));
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt.header(header) == Some(value)),
        "{header}"
    );
    value
}

/// The fields of the attempts' spans, in the order in which they began.
pub(crate) fn attempt_spans(capture: &Capture) -> Vec<Fields> {
    let spans = capture.spans().into_iter();
    spans
        .filter(|span| span.name == "http.client.attempt")
        .map(|span| span.fields)
        .collect()
}

/// An address whose connections are never accepted: connecting to it hangs for as long as the first
/// value lives.
pub(crate) async fn swallowing() -> ((TcpListener, Vec<TcpStream>), SocketAddr) {
    // Once the queue of a listener that accepts nothing is full, the kernel drops further
    // handshakes.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    let second = Duration::from_secs(1);
    while let Ok(stream) = tokio::time::timeout(second, TcpStream::connect(addr)).await {
        queued.push(stream.unwrap());
    }
    ((listener, queued), addr)
}

/// How many bytes may be between a writer that is fast and a reader that is slow, at most: as large
/// as this system lets the buffers of the two sockets grow, and what the client holds.
pub(crate) fn on_the_way() -> u64 {
    let largest = |name: &str| {
        let settings = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}"));
        let largest = settings
            .ok()?
            .split_whitespace()
            .next_back()?
            .parse()
            .ok()?;
        Some::<u64>(largest)
    };
    let buffers = ["tcp_rmem", "tcp_wmem"].map(|name| largest(name).unwrap_or(8 << 20));
    buffers.into_iter().sum::<u64>() + (2 << 20)
}
