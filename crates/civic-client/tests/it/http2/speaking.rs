//! With whom HTTP/2 is spoken, and what a peer is told that does not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use civic_client::balance::StaticEndpoints;
use civic_client::transport::Http2;
use civic_client::{Error, ErrorKind, Phase, ServiceClient, Transmission, TransportConfig};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::http2::{HEADERS, RawPeer, assuming};
use crate::support::{call, ends, exact};

/// A client over HTTP/2 against a peer that says this first, or closes the connection.
async fn answered_with(words: &'static [u8]) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let peer = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut read = [0; 24];
            socket.read_exact(&mut read).await.unwrap();
            socket.write_all(words).await.unwrap();
        }
    });
    let client = assuming(&url).build().unwrap();
    let error = call(&client, &Method::POST).await.unwrap_err();
    peer.abort();
    error
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_speak_http_2_is_found_out_before_it_has_the_request() {
    let cases: [(&[u8], &str); 5] = [
        (
            b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n",
            "speaks HTTP/1.1",
        ),
        (b"HTTP/1.0 505 \r\n\r\n", "speaks HTTP/1.1"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "TLS"),
        (b"-ERR unknown command 'PRI'\r\n", "another service"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "another service"),
    ];
    for (words, why) in cases {
        let error = answered_with(words).await;
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Protocol, 1));
        assert_eq!(error.transmission(), Transmission::NotSent, "{why}");
        assert!(error.to_string().contains(why), "{error}");
    }
    for words in [&b""[..], b"HTT", b"\0\0\0\x04\0\0\0\0"] {
        let error = answered_with(words).await;
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 3));
        assert_eq!(error.transmission(), Transmission::NotSent);
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("HTTP/2 settings"), "{cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_accepts_and_says_nothing_was_never_sent_the_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = assuming(&url).retries(0).build().unwrap();
    let start = Instant::now();
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!(error.transmission(), Transmission::NotSent);
    assert_eq!(error.phase(), Some(Phase::Connecting));
    assert_eq!(
        start.elapsed(),
        Duration::from_secs(3),
        "the time for connecting"
    );
}

#[tokio::test(start_paused = true)]
async fn without_tls_nothing_is_negotiated_and_http_1_1_is_spoken() {
    let (peer, _) = crate::support::peer([civic_testkit::upstream::Step::status(204)]).await;
    for config in [
        TransportConfig::new(),
        TransportConfig::new().with_http2(Http2::negotiated()),
    ] {
        let client = exact(&peer.url()).transport(config).build().unwrap();
        let answer = client.get("/").send_raw().await.unwrap();
        assert_eq!(answer.version(), http::Version::HTTP_11);
    }
}

/// The fields of a request in the order in which they were sent, as a server reads them.
async fn head_of(build: impl AsyncFn(&ServiceClient) -> Result<(), Error>) -> http::request::Parts {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let head = Arc::<Mutex<Option<http::request::Parts>>>::default();
    let noted = Arc::clone(&head);
    let peer = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, mut response))) = connection.accept().await {
            *noted.lock().unwrap() = Some(request.into_parts().0);
            let answer = http::Response::builder().status(204).body(()).unwrap();
            response.send_response(answer, true).unwrap();
        }
    });
    build(&assuming(&url).build().unwrap()).await.unwrap();
    peer.abort();
    let head = head.lock().unwrap().take();
    head.unwrap()
}

#[tokio::test]
async fn the_host_is_the_authority_and_no_header_of_http_1_1_is_sent() {
    let head = head_of(async |client| {
        let request = client.post("/things/{id}").param("id", "a b").query("q", 1);
        ends(request.json(&true).send()).await.map(drop)
    })
    .await;
    let authority = head.uri.authority().unwrap().to_string();
    assert!(authority.starts_with("127.0.0.1:"), "{authority}");
    assert_eq!(head.uri.scheme_str(), Some("http"));
    assert_eq!(head.uri.path_and_query().unwrap(), "/things/a%20b?q=1");
    assert_eq!(head.headers["content-length"], "4");
    assert_eq!(head.headers["content-type"], "application/json");
    for absent in ["host", "connection", "expect", "transfer-encoding", "te"] {
        assert!(!head.headers.contains_key(absent), "{absent}");
    }
    for present in [
        "authorization",
        "x-correlation-id",
        "idempotency-key",
        "accept",
    ] {
        assert!(head.headers.contains_key(present), "{present}");
    }
}

#[tokio::test]
async fn an_endpoint_is_spoken_to_by_the_name_of_the_service() {
    let head = head_of(async |client| ends(client.get("/").send()).await.map(drop)).await;
    let place = head.uri.authority().unwrap().as_str();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    assert_ne!(place, endpoint);
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let (request, mut response) = connection.accept().await.unwrap().unwrap();
        sender.send(request.uri().clone()).unwrap();
        let answer = http::Response::builder().status(204).body(()).unwrap();
        response.send_response(answer, true).unwrap();
        let _ = connection.accept().await;
    });
    let client = assuming("http://roll.test")
        .endpoints(StaticEndpoints::parse(&endpoint).unwrap())
        .build()
        .unwrap();
    call(&client, &Method::GET).await.unwrap();
    assert_eq!(receiver.await.unwrap(), "http://roll.test/things/7");
}

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_only_after_the_settings_of_the_peer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let peer = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut read = vec![0; 4096];
        let count = socket.read(&mut read).await.unwrap();
        let mut rest = &read[24..count];
        let mut kinds = Vec::new();
        while let Some((head, after)) = rest.split_first_chunk::<9>() {
            kinds.push(head[3]);
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            rest = &after[length..];
        }
        kinds
    });
    let client = assuming(&url).retries(0).build().unwrap();
    call(&client, &Method::POST).await.unwrap_err();
    let kinds = peer.await.unwrap();
    assert!(!kinds.contains(&HEADERS), "{kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_assumes_http_2_speaks_it_in_every_answer() {
    let peer = RawPeer::start(&[], |_, mut frames| async move { frames.serve().await }).await;
    let client = assuming(&peer.url()).build().unwrap();
    let answer = client.get("/").send_raw().await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
}
