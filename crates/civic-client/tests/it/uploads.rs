//! Requests whose body is a stream.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use civic_client::{Body, ErrorKind, NotRetried, RetryScope, Transmission};
use civic_testkit::upstream::{Step, Upstream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Channel, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower::service_fn;

use crate::streaming::Frames;
use crate::support::{ends, exact, on_the_way, peer};

const FRAME: u64 = 64 * 1024;

/// A body of these pieces, whose length is not known before.
fn pieces(pieces: &'static [&'static str]) -> Body {
    let (mut sender, channel) = Channel::<Bytes, io::Error>::new(1);
    tokio::spawn(async move {
        for piece in pieces {
            if sender
                .send_data(Bytes::from_static(piece.as_bytes()))
                .await
                .is_err()
            {
                return;
            }
        }
    });
    Body::stream(channel)
}

#[tokio::test]
async fn a_gigabyte_goes_through_the_stack_and_no_more_than_a_frame_is_in_memory() {
    let frames = (1 << 30) / FRAME;
    let made = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&made);
    let peer = service_fn(move |request: Request<Body>| {
        let made = Arc::clone(&counted);
        async move {
            let mut body = request.into_body();
            let (mut length, mut taken) = (0, 0);
            while let Some(frame) = body.frame().await {
                taken += 1;
                length += frame.unwrap().into_data().unwrap().len();
                assert!(made.load(Ordering::SeqCst) <= taken + 1, "it is read ahead");
            }
            Ok::<_, Infallible>(Response::new(Full::from(length.to_string())))
        }
    });
    let client = exact("http://peer").timeout(Duration::from_secs(600));
    let client = client.build_in_process(peer).unwrap();
    let body = Body::stream(Frames::new(frames, &made));
    let length: u64 = client.put("/").body(body).fetch().await.unwrap();
    assert_eq!(length, 1 << 30);
}

#[tokio::test]
async fn a_stream_into_a_socket_goes_at_the_pace_of_the_peer() {
    let on_the_way = on_the_way();
    let frames = 3 * on_the_way / FRAME;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let made = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&made);
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // The head and no byte more: a client that was held up does not wait for the next line.
        head(&mut stream).await;
        let mut buffer = vec![0; FRAME as usize];
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        stream.write_all(go_on).await.unwrap();
        let mut read = 0;
        while read < frames * FRAME {
            read += stream.read(&mut buffer).await.unwrap() as u64;
            tokio::task::yield_now().await;
            let ahead = (counted.load(Ordering::SeqCst) * FRAME).saturating_sub(read);
            assert!(ahead < on_the_way, "{ahead} bytes ahead");
        }
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    });
    let client = exact(&url)
        .timeout(Duration::from_secs(600))
        .build()
        .unwrap();
    let body = Body::stream(Frames::new(frames, &made));
    client.put("/").body(body).send().await.unwrap();
    peer.await.unwrap();
}

#[tokio::test]
async fn a_stream_is_sent_with_its_length_or_in_chunks() {
    let (peer, client) = peer([Step::status(204)]).await;
    let known = Body::stream(Full::from("abc"));
    client.post("/").body(known).send().await.unwrap();
    client
        .post("/")
        .body(pieces(&["ab", "c"]))
        .send()
        .await
        .unwrap();
    let attempts = peer.attempts();
    for attempt in &attempts {
        assert_eq!(attempt.body, "abc");
        assert_eq!(
            attempt.header("content-type"),
            Some("application/octet-stream")
        );
    }
    let framing = |index: usize, name| attempts[index].header(name);
    assert_eq!(framing(0, "content-length"), Some("3"));
    assert_eq!(framing(1, "content-length"), None);
    assert_eq!(framing(1, "transfer-encoding"), Some("chunked"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_begun_is_never_replayed_whatever_the_method_and_the_outcome() {
    let outcomes = [
        Step::reset(),
        Step::fin(),
        Step::hang(),
        Step::status(500),
        Step::status(503).header("retry-after", "0"),
        Step::status(503).header("connection", "close").with_json(
            r#"{"error":"Service Unavailable","message":"Service Unavailable","statusCode":503}"#,
        ),
    ];
    for step in outcomes {
        let peer = Upstream::start([step, Step::status(204)]).await;
        let builder = exact(&peer.url()).retry_scope(RetryScope::AllMethods);
        let client = builder.build().unwrap();
        for request in [client.put("/"), client.post("/").idempotency_key("k")] {
            let before = peer.attempts().len();
            let result = ends(request.body(pieces(&["abc"])).send()).await;
            assert_eq!(peer.attempts().len(), before + 1);
            if before == 0 {
                let error = result.unwrap_err();
                assert_eq!(error.not_retried(), Some(NotRetried::Begun), "{error:?}");
                assert_eq!(error.attempts(), 1);
            }
        }
    }
}

/// Reads the head of a request.
async fn head(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_not_begun_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let peer = tokio::spawn(async move {
        // The first one is told to come again before it has sent its body; the second connection is
        // closed in its face.
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(head(&mut stream).await.contains("expect: 100-continue"));
        let busy = b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(busy).await.unwrap();
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .unwrap();
        let mut body = [0; 3];
        stream.read_exact(&mut body).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
        body
    });
    let client = exact(&url).build().unwrap();
    let body = Body::stream(Full::from("abc"));
    let answer = client.post("/").body(body).send().await.unwrap();
    assert_eq!(answer.attempts(), 3);
    assert_eq!(&peer.await.unwrap(), b"abc");
}

#[tokio::test]
async fn a_stream_that_fails_is_an_error_of_the_request_with_its_cause() {
    let (peer, client) = peer([Step::status(204)]).await;
    let (mut sender, channel) = Channel::<Bytes, io::Error>::new(1);
    tokio::spawn(async move {
        sender.send(Frame::data(Bytes::from("abc"))).await.unwrap();
        sender.abort(io::Error::other("the disk is gone"));
    });
    let error = client
        .put("/")
        .body(Body::stream(channel))
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Request, "{error:?}");
    assert_eq!(error.transmission(), Transmission::Unknown);
    let mut causes =
        std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    assert!(causes.any(|cause| cause.to_string() == "the disk is gone"));
    assert_eq!(peer.attempts().len(), 0, "nothing arrived whole");
}

#[tokio::test]
async fn the_clones_of_a_stream_are_one_stream() {
    let body = Body::stream(Full::from("abc"));
    let clone = body.clone();
    assert_eq!(format!("{body:?}"), "Body(a stream)");
    assert!(!body.is_empty() && body.bytes().is_none());
    assert_eq!(clone.collect().await.unwrap().to_bytes(), "abc");
    let error = body.collect().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the body is a stream, which was read already"
    );
}
