//! Peers that speak HTTP/2: one frame by frame, and one that passes on what an [`Upstream`] does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use civic_client::transport::Http2;
use civic_client::{ServiceClientBuilder, TransportConfig};
use civic_testkit::upstream::Upstream;
use h2::Reason;
use h2::server::SendResponse;
use http::{Request, Response, Version};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::exact;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;

/// The flag of the last frame of a stream, and of an answer to `SETTINGS` and `PING`.
pub(crate) const END: u8 = 1;
const END_HEADERS: u8 = 4;

/// The setting of how many streams there may be at once.
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

/// A client that takes it for granted that its peer speaks HTTP/2.
pub(crate) fn assuming(url: &str) -> ServiceClientBuilder {
    exact(url).transport(TransportConfig::new().with_http2(Http2::prior_knowledge()))
}

/// One frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection to a client, frame by frame.
pub(crate) struct Frames {
    socket: TcpStream,
    /// What was read and is not taken yet.
    read: Vec<u8>,
    seen: Arc<Seen>,
    number: usize,
    /// Whether pings are answered.
    answers_pings: bool,
}

/// What a peer has seen.
pub(crate) struct Seen {
    /// The number of the connection and the stream of each request, in the order of their ends.
    requests: watch::Sender<Vec<(usize, u32)>>,
    resets: Mutex<Vec<(usize, u32, u32)>>,
    pings: watch::Sender<usize>,
    connections: watch::Sender<usize>,
    closed: watch::Sender<usize>,
}

/// A peer of which a test says what it does on each connection.
pub(crate) struct RawPeer {
    pub(crate) addr: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl Drop for RawPeer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl RawPeer {
    /// Starts a peer. `serve` is given the number of the connection, from 1, and the connection
    /// after its preface, with `settings` sent.
    pub(crate) async fn start<F, A>(settings: &'static [(u16, u32)], serve: F) -> Self
    where
        F: Fn(usize, Frames) -> A + Send + Sync + 'static,
        A: Future<Output = Option<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Seen {
            requests: watch::Sender::default(),
            resets: Mutex::default(),
            pings: watch::Sender::default(),
            connections: watch::Sender::default(),
            closed: watch::Sender::default(),
        });
        let noted = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let serve = Arc::new(serve);
            for number in 1.. {
                let Ok((socket, _)) = listener.accept().await else {
                    return;
                };
                socket.set_nodelay(true).unwrap();
                noted.connections.send_replace(number);
                let (seen, serve) = (Arc::clone(&noted), Arc::clone(&serve));
                connections.spawn(async move {
                    let frames = Frames::begin(socket, Arc::clone(&seen), number, settings).await;
                    if let Some(frames) = frames {
                        serve(number, frames).await;
                    }
                    seen.closed.send_modify(|closed| *closed += 1);
                });
            }
        });
        Self { addr, seen, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The connection and the stream of each whole request.
    pub(crate) fn requests(&self) -> Vec<(usize, u32)> {
        self.seen.requests.borrow().clone()
    }

    /// The connection, the stream and the code of each stream that the client has reset.
    pub(crate) fn resets(&self) -> Vec<(usize, u32, u32)> {
        self.seen.resets.lock().unwrap().clone()
    }

    pub(crate) fn pings(&self) -> usize {
        *self.seen.pings.borrow()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.seen.connections.borrow()
    }

    pub(crate) fn open(&self) -> usize {
        self.connections() - *self.seen.closed.borrow()
    }

    /// Waits until so many whole requests have arrived.
    pub(crate) async fn received(&self, count: usize) {
        let mut requests = self.seen.requests.subscribe();
        let all = requests.wait_for(|requests| requests.len() >= count);
        all.await.unwrap();
    }

    /// Waits until so many connections have ended.
    pub(crate) async fn closed(&self, count: usize) {
        let mut closed = self.seen.closed.subscribe();
        closed.wait_for(|closed| *closed >= count).await.unwrap();
    }
}

impl Frames {
    async fn begin(
        mut socket: TcpStream,
        seen: Arc<Seen>,
        number: usize,
        settings: &[(u16, u32)],
    ) -> Option<Self> {
        let mut preface = [0; 24];
        socket.read_exact(&mut preface).await.ok()?;
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut frames = Self {
            socket,
            read: Vec::new(),
            seen,
            number,
            answers_pings: true,
        };
        frames.settings(settings).await;
        Some(frames)
    }

    /// Answers no pings from now on.
    pub(crate) fn swallow_pings(&mut self) {
        self.answers_pings = false;
    }

    /// Reads a frame; `None` if the client has closed the connection. Settings and pings are
    /// answered. If this is dropped, no frame is lost.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let (head, payload) = loop {
            if let Some((head, rest)) = self.read.split_first_chunk::<9>() {
                let [l0, l1, l2, ..] = *head;
                let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
                if let Some(payload) = rest.get(..length) {
                    let found = (*head, payload.to_vec());
                    self.read.drain(..9 + length);
                    break found;
                }
            }
            if self.socket.read_buf(&mut self.read).await.ok()? == 0 {
                return None;
            }
        };
        let [_, _, _, kind, flags, s0, s1, s2, s3] = head;
        let frame = Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]),
            payload,
        };
        match kind {
            SETTINGS if flags & END == 0 => self.send(SETTINGS, END, 0, &[]).await,
            PING if flags & END == 0 => {
                self.seen.pings.send_modify(|pings| *pings += 1);
                if self.answers_pings {
                    self.send(PING, END, 0, &frame.payload).await;
                }
            }
            RST_STREAM => {
                let code = u32::from_be_bytes(frame.payload[..4].try_into().unwrap());
                let reset = (self.number, frame.stream, code);
                self.seen.resets.lock().unwrap().push(reset);
            }
            HEADERS | DATA if flags & END != 0 => {
                let request = (self.number, frame.stream);
                self.seen.requests.send_modify(|all| all.push(request));
            }
            _ => {}
        }
        Some(frame)
    }

    /// Reads until a request is whole, and returns its stream.
    pub(crate) async fn request(&mut self) -> Option<u32> {
        loop {
            let frame = self.next().await?;
            if matches!(frame.kind, HEADERS | DATA) && frame.flags & END != 0 {
                return Some(frame.stream);
            }
        }
    }

    /// Reads until the client closes the connection.
    pub(crate) async fn hang(&mut self) -> Option<()> {
        while self.next().await.is_some() {}
        None
    }

    /// Answers requests with 204 until the client closes the connection.
    pub(crate) async fn serve(&mut self) -> Option<()> {
        loop {
            let stream = self.request().await?;
            self.answer(stream, 204).await;
        }
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        // A client that has gone is noticed when the next frame is read.
        let _ = self.socket.write_all(&frame).await;
    }

    pub(crate) async fn settings(&mut self, settings: &[(u16, u32)]) {
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend_from_slice(&name.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        self.send(SETTINGS, 0, 0, &payload).await;
    }

    /// Sends a whole response without a body.
    pub(crate) async fn answer(&mut self, stream: u32, status: u16) {
        self.send(HEADERS, END_HEADERS | END, stream, &head(status))
            .await;
    }

    /// Sends the head of a response, whose body is to follow.
    pub(crate) async fn head(&mut self, stream: u32, status: u16) {
        self.send(HEADERS, END_HEADERS, stream, &head(status)).await;
    }

    /// Sends the head of a response with these further bytes of HPACK.
    pub(crate) async fn head_with(&mut self, stream: u32, status: u16, fields: &[u8]) {
        let head = [&head(status), fields].concat();
        // The first frame is not the last.
        let (first, rest) = head.split_at(head.len().min(16_000));
        let last = |rest: &[u8]| if rest.is_empty() { END_HEADERS } else { 0 };
        self.send(HEADERS, last(rest), stream, first).await;
        let mut rest = rest;
        while !rest.is_empty() {
            let (next, after) = rest.split_at(rest.len().min(16_000));
            self.send(9, last(after), stream, next).await;
            rest = after;
        }
    }

    pub(crate) async fn data(&mut self, stream: u32, data: &[u8], flags: u8) {
        self.send(DATA, flags, stream, data).await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, reason: Reason) {
        let code = u32::from(reason).to_be_bytes();
        self.send(RST_STREAM, 0, stream, &code).await;
    }

    /// Says that the connection ends, and that streams after `last` were not processed.
    pub(crate) async fn go_away(&mut self, last: u32, reason: Reason) {
        let mut payload = last.to_be_bytes().to_vec();
        payload.extend_from_slice(&u32::from(reason).to_be_bytes());
        payload.extend_from_slice(b"hunter2");
        self.send(GOAWAY, 0, 0, &payload).await;
    }

    /// Closes the connection with a reset.
    pub(crate) fn cut(self) {
        self.socket.set_zero_linger().unwrap();
    }
}

/// The head of a response in HPACK (RFC 7541): a status, and nothing else.
fn head(status: u16) -> Vec<u8> {
    let indexed = [200, 204, 206, 304, 400, 404, 500];
    match indexed.iter().position(|known| *known == status) {
        Some(index) => vec![0x88 + u8::try_from(index).unwrap()],
        None => [b"\x08\x03", status.to_string().as_bytes()].concat(),
    }
}

/// An HTTP/2 server that passes each request on to an [`Upstream`] over HTTP/1.1, and what becomes
/// of it back: what breaks there is a reset here.
pub(crate) struct Relay {
    pub(crate) addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    pub(crate) async fn start(upstream: &Upstream) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let to = upstream.addr();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut streams = JoinSet::new();
                    let mut connection = h2::server::handshake(socket).await.ok()?;
                    while let Some(request) = connection.accept().await {
                        let (request, response) = request.ok()?;
                        streams.spawn(relay(request, response, to));
                    }
                    Some(())
                });
            }
        });
        Self { addr, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

async fn relay(
    request: Request<h2::RecvStream>,
    mut response: SendResponse<Bytes>,
    to: SocketAddr,
) -> Option<()> {
    let exchange = exchange(request, to);
    let answer = tokio::select! {
        answer = exchange => answer,
        // The client has given up.
        _ = std::future::poll_fn(|cx| response.poll_reset(cx)) => return None,
    };
    let Some((answer, _connection)) = answer else {
        response.send_reset(Reason::INTERNAL_ERROR);
        return None;
    };
    let (mut head, mut body) = answer.into_parts();
    head.version = Version::HTTP_2;
    for name in ["connection", "keep-alive", "transfer-encoding"] {
        head.headers.remove(name);
    }
    let mut stream = response
        .send_response(Response::from_parts(head, ()), false)
        .ok()?;
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            _ = std::future::poll_fn(|cx| stream.poll_reset(cx)) => return None,
        };
        match frame {
            None => return stream.send_data(Bytes::new(), true).ok(),
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_default();
                stream.send_data(data, false).ok()?;
            }
            Some(Err(_)) => {
                stream.send_reset(Reason::INTERNAL_ERROR);
                return None;
            }
        }
    }
}

/// Passes a request on, and returns the answer and what has to live as long as its body.
async fn exchange(
    request: Request<h2::RecvStream>,
    to: SocketAddr,
) -> Option<(Response<hyper::body::Incoming>, JoinSet<()>)> {
    let (parts, mut received) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = received.data().await {
        let data = data.ok()?;
        let _ = received.flow_control().release_capacity(data.len());
        body.extend_from_slice(&data);
    }
    let socket = TcpStream::connect(to).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .ok()?;
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    let mut outgoing = Request::new(http_body_util::Full::new(Bytes::from(body)));
    let authority = parts.uri.authority()?.to_string();
    *outgoing.method_mut() = parts.method;
    *outgoing.uri_mut() = parts.uri.path_and_query()?.as_str().parse().ok()?;
    *outgoing.headers_mut() = parts.headers;
    outgoing
        .headers_mut()
        .insert("host", authority.parse().ok()?);
    let answer = sender.send_request(outgoing).await.ok()?;
    Some((answer, driver))
}
