//! Over real sockets, reading the raw bytes.
//!
//! hyper trusts a handler's `content-length`. In debug builds it panics when the body disagrees;
//! in release builds the response is split, or the client hangs. So these tests look at every byte
//! between two responses of one connection, and see either.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use civic_envelope::unwrap_envelope;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::{Layer, service_fn};

use crate::support::{Broken, Scripted, Step, full, json, layer, ok, wrapped};

/// A server that ends with the test.
struct Server {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start(handler: fn(&Request<Incoming>) -> Response<BoxBody<Bytes, Broken>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let handler = service_fn(move |request: Request<Incoming>| {
                    let response = handler(&request);
                    async move { Ok::<_, Infallible>(response) }
                });
                let service = TowerToHyperService::new(layer().layer(handler));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                // An error is what some of the tests are about; they see its effect on the wire.
                connections.spawn(async { drop(connection.await) });
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }

    /// Sends these requests at once, and returns everything that the server sends until it closes
    /// the connection. So no wrong length can make this wait for ever.
    async fn answer(&self, requests: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(requests.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset ends it as well: what has come until then is what the client has.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }
}

fn boxed<B>(response: Response<B>) -> Response<BoxBody<Bytes, Broken>>
where
    B: Body<Data = Bytes> + Send + Sync + 'static,
    B::Error: std::fmt::Debug,
{
    response.map(|body| body.map_err(|_| Broken).boxed())
}

/// Splits the head of the first response from what follows it.
fn split_head(answer: &str) -> (Vec<(String, String)>, &str) {
    let (head, rest) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {answer:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap();
    assert!(
        status.starts_with("HTTP/1.") && status.ends_with(" 200 OK"),
        "{status:?} in {answer:?}"
    );
    let fields = lines.map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    });
    (fields.collect(), rest)
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let named = fields.iter().filter(|(field, _)| field == name);
    named.map(|(_, value)| value.as_str()).collect()
}

const AGAIN: &str = "GET /plain HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// Asserts that the last response begins here, is complete, and is followed by nothing.
fn assert_plain_answer(rest: &str) {
    let (fields, body) = split_head(rest);
    assert_eq!(field(&fields, "content-length"), ["66"], "{rest:?}");
    assert_eq!(body, wrapped("[1]"), "{rest:?}");
}

#[tokio::test]
async fn a_stale_content_length_from_a_handler_is_harmless() {
    const DATA: &str = r#"{"id":"ab"}"#;
    let server = Server::start(|request| {
        let headers: &[_] = match request.uri().path() {
            "/short" => &[("content-length", "3")],
            "/long" => &[("content-length", "30")],
            "/right" => &[("content-length", "11")],
            "/twice" => &[("content-length", "3"), ("content-length", "30")],
            "/nonsense" => &[("content-length", "x")],
            _ => return boxed(json(full("[1]"))),
        };
        let mut response = ok(headers, full(DATA));
        response
            .headers_mut()
            .insert("content-type", "application/json".parse().unwrap());
        boxed(response)
    })
    .await;
    for path in ["/short", "/long", "/right", "/twice", "/nonsense"] {
        let answer = server
            .answer(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n{AGAIN}"))
            .await;
        let (fields, rest) = split_head(&answer);
        let body = wrapped(DATA);
        assert_eq!(
            field(&fields, "content-length"),
            ["74"],
            "{path}: {answer:?}"
        );
        assert_eq!(rest.get(..74), Some(body.as_str()), "{path}: {answer:?}");
        assert_plain_answer(&rest[74..]);
    }
}

#[tokio::test]
async fn a_stale_content_length_over_a_stream_is_harmless() {
    let server = Server::start(|request| match request.uri().path() {
        "/plain" => boxed(json(full("[1]"))),
        _ => {
            let steps = [Step::data("[1,"), Step::Pause, Step::data("2]")];
            let mut response = json(Scripted::new(steps));
            response.headers_mut().insert("content-length", 3.into());
            boxed(response)
        }
    })
    .await;
    let answer = server
        .answer(&format!("GET / HTTP/1.1\r\nhost: x\r\n\r\n{AGAIN}"))
        .await;
    let (fields, rest) = split_head(&answer);
    assert_eq!(field(&fields, "content-length"), [""; 0], "{answer:?}");
    assert_eq!(
        field(&fields, "transfer-encoding"),
        ["chunked"],
        "{answer:?}"
    );
    let (body, rest) = dechunk(rest).unwrap_or_else(|| panic!("the body ends: {answer:?}"));
    assert_eq!(body, wrapped("[1,2]"));
    assert_plain_answer(rest);
}

/// The body and what follows it; `None` if the last chunk is missing.
fn dechunk(mut rest: &str) -> Option<(String, &str)> {
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            // Trailers, if any, up to the empty line.
            return match after.strip_prefix("\r\n") {
                Some(rest) => Some((body, rest)),
                None => after.split_once("\r\n\r\n").map(|(_, rest)| (body, rest)),
            };
        }
        body.push_str(after.get(..size)?);
        rest = after.get(size..)?.strip_prefix("\r\n")?;
    }
}

fn breaking(request: &Request<Incoming>) -> Response<BoxBody<Bytes, Broken>> {
    // What would be a complete payload, so that only the suffix can tell.
    let steps = [Step::data("[1"), Step::Pause, Step::data("]"), Step::Pause];
    match request.uri().path() {
        "/whole" => boxed(json(Scripted::new(steps))),
        "/known" => boxed(json(
            Scripted::new(steps.into_iter().chain([Step::Error])).exactly(3),
        )),
        "/short" => boxed(json(Scripted::new(steps).exactly(4))),
        "/long" => boxed(json(Scripted::new(steps).exactly(2))),
        _ => boxed(json(Scripted::new(steps.into_iter().chain([Step::Error])))),
    }
}

#[tokio::test]
async fn an_inner_error_never_yields_a_complete_chunked_envelope() {
    let server = Server::start(breaking).await;
    let of = |path| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");

    let answer = server.answer(&of("/whole")).await;
    let (body, rest) = dechunk(split_head(&answer).1).expect("without an error it is complete");
    assert_eq!((body, rest), (wrapped("[1]"), ""));

    let answer = server.answer(&of("/unknown")).await;
    let (fields, rest) = split_head(&answer);
    assert_eq!(field(&fields, "transfer-encoding"), ["chunked"]);
    assert!(
        rest.contains("[1"),
        "it broke off in the middle: {answer:?}"
    );
    assert_eq!(
        dechunk(rest),
        None,
        "the last chunk must be missing: {answer:?}"
    );
    assert!(!rest.contains("timestamp"), "{answer:?}");
}

#[tokio::test]
async fn an_inner_error_never_yields_a_complete_envelope_of_known_length() {
    let server = Server::start(breaking).await;
    for (path, length) in [("/known", "66"), ("/short", "67"), ("/long", "65")] {
        let answer = server
            .answer(&format!(
                "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            ))
            .await;
        let (fields, rest) = split_head(&answer);
        assert_eq!(field(&fields, "content-length"), [length], "{path}");
        assert!(
            rest.starts_with(r#"{"success":true,"data":["#),
            "{path}: {answer:?}"
        );
        assert!(rest.len() < length.parse().unwrap(), "{path}: {answer:?}");
        assert!(!rest.contains("timestamp"), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn an_inner_error_never_yields_a_complete_envelope_over_http_1_0() {
    let server = Server::start(breaking).await;
    let body = |answer: &str| {
        let (fields, body) = split_head(answer);
        assert!(field(&fields, "content-length").is_empty(), "{answer:?}");
        assert!(field(&fields, "transfer-encoding").is_empty(), "{answer:?}");
        body.to_owned()
    };
    let whole = body(&server.answer("GET /whole HTTP/1.0\r\n\r\n").await);
    assert_eq!(whole, wrapped("[1]"));

    // The end of the connection is the end of the body: the framing says that all is well.
    let cut = body(&server.answer("GET /unknown HTTP/1.0\r\n\r\n").await);
    assert!(cut.starts_with(r#"{"success":true,"data":[1"#), "{cut:?}");
    assert!(unwrap_envelope::<Value>(cut.as_bytes()).is_err(), "{cut:?}");
    assert!(unwrap_envelope::<()>(cut.as_bytes()).is_err(), "{cut:?}");
}

#[tokio::test]
async fn head_reports_the_length_that_get_has() {
    let server = Server::start(|request| {
        let is_head = request.method() == Method::HEAD;
        match request.uri().path() {
            // A handler that answers HEAD itself, and gives the length.
            "/explicit" if is_head => {
                let mut response = json(full(""));
                response.headers_mut().insert("content-length", 5.into());
                boxed(response)
            }
            "/explicit" => boxed(json(full("[1,2]"))),
            // A handler that does not look at the method.
            "/same" => boxed(json(full("[1,2]"))),
            "/empty" => boxed(json(full(""))),
            "/stream" => boxed(json(Scripted::new([Step::data("[1]")]))),
            _ => boxed(json(full("[1]"))),
        }
    })
    .await;
    for (path, length) in [
        ("/explicit", Some("68")),
        ("/same", Some("68")),
        ("/stream", None),
        ("/empty", None),
    ] {
        let answer = server
            .answer(&format!("HEAD {path} HTTP/1.1\r\nhost: x\r\n\r\n{AGAIN}"))
            .await;
        let (fields, rest) = split_head(&answer);
        assert_eq!(
            field(&fields, "content-length"),
            length.as_slice(),
            "{path}: {answer:?}"
        );
        assert_eq!(field(&fields, "x-envelope"), ["1"], "{path}");
        // No byte of a body between the two responses.
        assert_plain_answer(rest);

        let answer = server
            .answer(&format!(
                "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
            ))
            .await;
        if let Some(length) = length {
            let (fields, body) = split_head(&answer);
            assert_eq!(field(&fields, "content-length"), [length], "{path}");
            assert_eq!(body.len().to_string(), length, "{path}");
        }
    }
}

#[tokio::test]
async fn trailers_reach_the_client_after_the_suffix() {
    let server = Server::start(|_| {
        let trailers = http::HeaderMap::from_iter([(
            http::HeaderName::from_static("x-checked"),
            http::HeaderValue::from_static("yes"),
        )]);
        let mut response = json(Scripted::new([Step::data("[1]"), Step::Trailers(trailers)]));
        response
            .headers_mut()
            .insert("trailer", "x-checked".parse().unwrap());
        boxed(response)
    })
    .await;
    let answer = server
        .answer("GET / HTTP/1.1\r\nhost: x\r\nte: trailers\r\nconnection: close\r\n\r\n")
        .await;
    let (_, rest) = split_head(&answer);
    assert_eq!(dechunk(rest), Some((wrapped("[1]"), "")));
    assert!(
        answer.ends_with("\r\n0\r\nx-checked: yes\r\n\r\n"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_handler_that_returned_nothing_answers_null_on_the_wire() {
    let server = Server::start(|_| boxed(Response::new(Full::default()))).await;
    let answer = server
        .answer("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let (fields, body) = split_head(&answer);
    assert_eq!(field(&fields, "content-length"), ["67"]);
    assert_eq!(
        field(&fields, "content-type"),
        ["application/json; charset=utf-8"]
    );
    assert_eq!(body, wrapped("null"));
}
