//! Bodies over HTTP/2, in both directions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use civic_client::{Body, Error, ErrorKind, NotRetried, StreamedAnswer, Transmission};
use h2::Reason;
use http::{Method, Response};
use http_body_util::Channel;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::streaming::Frames as Pieces;
use crate::support::http2::{
    DATA, END, HEADERS, INITIAL_WINDOW_SIZE, RST_STREAM, RawPeer, assuming,
};
use crate::support::{call, ends};

const SECOND: Duration = Duration::from_secs(1);

const PIECE: u64 = 64 * 1024;

/// The window of a stream, and what is in buffers on the way.
const WINDOW: u64 = 1024 * 1024;

/// A server of the crate `h2` that answers each request with `length` bytes, counts those that it
/// was let send, and answers `/small` with nothing.
async fn endless(length: u64, sent: &Arc<AtomicU64>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = Arc::clone(sent);
    let peer = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, mut response))) = connection.accept().await {
            let is_small = request.uri().path() == "/small";
            let sent = Arc::clone(&sent);
            tokio::spawn(async move {
                let mut stream = response.send_response(Response::new(()), is_small).unwrap();
                let mut left = if is_small { 0 } else { length };
                while left > 0 {
                    stream.reserve_capacity(left.min(PIECE) as usize);
                    if stream.capacity() == 0 {
                        let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                        if !matches!(capacity, Some(Ok(_))) {
                            return;
                        }
                    }
                    let count = stream.capacity().min(left as usize);
                    left -= count as u64;
                    sent.fetch_add(count as u64, Ordering::SeqCst);
                    let piece = Bytes::from(vec![b'x'; count]);
                    if stream.send_data(piece, left == 0).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, peer)
}

async fn read(answer: &mut StreamedAnswer) -> Result<u64, Error> {
    let mut length = 0;
    while let Some(chunk) = answer.chunk().await? {
        length += chunk.len() as u64;
    }
    Ok(length)
}

#[tokio::test]
async fn a_response_comes_at_the_pace_of_its_reader_and_is_whole() {
    let sent = Arc::<AtomicU64>::default();
    let length = 64 * 1024 * 1024;
    let (url, _peer) = endless(length, &sent).await;
    let client = assuming(&url).build().unwrap();
    let mut answer = client.get("/").send_stream().await.unwrap();
    let mut read = 0;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        read += chunk.len() as u64;
        let ahead = sent.load(Ordering::SeqCst).saturating_sub(read);
        assert!(ahead <= 2 * WINDOW, "{ahead} bytes ahead");
    }
    assert_eq!(read, length);
}

#[tokio::test]
async fn responses_that_no_one_reads_hold_up_no_other_one() {
    let sent = Arc::<AtomicU64>::default();
    let (url, _peer) = endless(4 * WINDOW, &sent).await;
    let client = assuming(&url).build().unwrap();
    let mut unread = Vec::new();
    for _ in 0..20 {
        unread.push(client.get("/").send_stream().await.unwrap());
    }
    // Each fills its window, and more is waiting.
    for _ in 0..1_000_000 {
        if sent.load(Ordering::SeqCst) >= 20 * WINDOW {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut other = client.get("/").send_stream().await.unwrap();
    assert_eq!(read(&mut other).await.unwrap(), 4 * WINDOW);
    ends(client.get("/small").send()).await.unwrap();
    for mut answer in unread {
        assert_eq!(read(&mut answer).await.unwrap(), 4 * WINDOW);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_is_cancelled_and_the_others_go_on() {
    let peer = RawPeer::start(&[], |_, mut frames| async move {
        loop {
            let frame = frames.next().await?;
            if frame.kind == HEADERS {
                frames.head(frame.stream, 200).await;
                frames.data(frame.stream, b"abc", 0).await;
            }
            if frame.kind == RST_STREAM {
                frames.data(1, b"def", END).await;
            }
        }
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    let mut first = client.get("/").send_stream().await.unwrap();
    assert_eq!(first.chunk().await.unwrap().unwrap(), "abc");
    let mut second = client.get("/").send_stream().await.unwrap();
    assert_eq!(second.chunk().await.unwrap().unwrap(), "abc");
    drop(second);
    assert_eq!(read(&mut first).await.unwrap(), 3);
    assert_eq!(peer.resets(), [(1, 3, u32::from(Reason::CANCEL))]);
    assert_eq!(peer.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_body_of_a_request_goes_only_as_fast_as_the_peer_takes_it() {
    let made = Arc::<AtomicU64>::default();
    let (window, opened) = tokio::sync::oneshot::channel();
    let opened = Arc::new(std::sync::Mutex::new(Some(opened)));
    let peer = RawPeer::start(&[(INITIAL_WINDOW_SIZE, 100_000)], move |_, mut frames| {
        let opened = opened.lock().unwrap().take();
        async move {
            let mut read = 0;
            while read < 65_535 {
                let frame = frames.next().await?;
                if frame.kind == DATA {
                    read += frame.payload.len();
                }
            }
            assert_eq!(read, 65_535, "the window of the connection");
            opened?.await.ok()?;
            for stream in [0, 1] {
                frames
                    .send(8, 0, stream, &(1_u32 << 30).to_be_bytes())
                    .await;
            }
            let stream = frames.request().await?;
            frames.answer(stream, 204).await;
            frames.hang().await
        }
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    let body = Body::stream(Pieces::new(256, &made));
    let sent = tokio::spawn({
        let client = client.clone();
        async move { client.put("/").body(body).send().await.map(drop) }
    });
    sleep(SECOND).await;
    let taken = made.load(Ordering::SeqCst);
    assert!(taken <= 2, "{taken} pieces in memory");
    window.send(()).unwrap();
    sent.await.unwrap().unwrap();
    assert_eq!(made.load(Ordering::SeqCst), 256);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_was_begun_is_not_repeated_and_one_that_was_not_is() {
    let settings = &[(INITIAL_WINDOW_SIZE, 1 << 20)];
    let peer = RawPeer::start(settings, |number, mut frames| async move {
        frames.send(8, 0, 0, &(1_u32 << 20).to_be_bytes()).await;
        loop {
            let stream = frames.request().await?;
            match (number, stream) {
                (1, 1) => {
                    frames.answer(stream, 204).await;
                    frames.go_away(stream, Reason::NO_ERROR).await;
                }
                (2, 1) => frames.reset(stream, Reason::REFUSED_STREAM).await,
                _ => frames.answer(stream, 204).await,
            }
        }
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    let upload = || {
        let made = Arc::<AtomicU64>::default();
        client.put("/").body(Body::stream(Pieces::new(1, &made)))
    };
    call(&client, &Method::GET).await.unwrap();
    sleep(SECOND).await;
    // The first connection has ended by now, and takes nothing.
    let error = upload().send().await.unwrap_err();
    assert_eq!(error.transmission(), Transmission::NotSent);
    assert_eq!(error.not_retried(), Some(NotRetried::Begun));
    assert_eq!(peer.requests(), [(1, 1), (2, 1)]);
    upload().send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_cancels_its_exchange() {
    let peer = RawPeer::start(&[], |_, mut frames| async move { frames.serve().await }).await;
    let client = assuming(&peer.url()).build().unwrap();
    let (mut sender, channel) = Channel::<Bytes, std::io::Error>::new(1);
    tokio::spawn(async move {
        let _ = sender.send_data(Bytes::from_static(b"abc")).await;
        sleep(SECOND).await;
        sender.abort(std::io::Error::other("the disk is full"));
    });
    let sent = client.put("/").body(Body::stream(channel)).send().await;
    let error = sent.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Request);
    assert_eq!(error.transmission(), Transmission::Unknown);
    call(&client, &Method::GET).await.unwrap();
    assert_eq!(peer.resets(), [(1, 1, u32::from(Reason::CANCEL))]);
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_is_the_answer_and_the_rest_is_sent_for_a_second_more() {
    for takes_rest in [true, false] {
        let peer = RawPeer::start(&[], move |_, mut frames| async move {
            loop {
                let frame = frames.next().await?;
                if frame.kind == HEADERS {
                    frames.answer(frame.stream, 413).await;
                    if takes_rest && frame.stream == 1 {
                        for stream in [0, 1] {
                            frames
                                .send(8, 0, stream, &(1_u32 << 20).to_be_bytes())
                                .await;
                        }
                    }
                }
            }
        })
        .await;
        let client = assuming(&peer.url()).build().unwrap();
        let body = "x".repeat(512 * 1024);
        let start = Instant::now();
        let sent = client.post("/").json(&body).send_raw().await.unwrap();
        assert_eq!(
            (sent.status().as_u16(), start.elapsed()),
            (413, Duration::ZERO)
        );
        sleep(2 * SECOND).await;
        let cancelled = [(1, 1, u32::from(Reason::CANCEL))];
        assert_eq!(peer.resets(), &cancelled[usize::from(takes_rest)..]);
        assert_eq!(
            call(&client, &Method::GET)
                .await
                .unwrap_err()
                .status()
                .unwrap(),
            413
        );
        assert_eq!(peer.connections(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_cap_ends_its_exchange_and_the_connection_goes_on() {
    let peer = RawPeer::start(&[], |_, mut frames| async move {
        loop {
            let stream = frames.request().await?;
            frames.head(stream, 200).await;
            for _ in 0..(if stream == 1 { 64 } else { 1 }) {
                frames.data(stream, &[b' '; 16_000], 0).await;
            }
            frames.data(stream, b"1", END).await;
        }
    })
    .await;
    let client = assuming(&peer.url()).max_body(100_000).build().unwrap();
    let error = client.get("/").send_raw().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BodyTooLarge);
    let answer = client.get("/").send_raw().await.unwrap();
    assert_eq!(answer.body().len(), 16_001);
    assert_eq!(peer.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_request_has_the_length_of_a_body_that_does_not_come() {
    let peer = RawPeer::start(&[], |_, mut frames| async move {
        loop {
            let stream = frames.request().await?;
            // `content-length: 1000`, and the end of the stream.
            let head = b"\x88\x0f\x0d\x041000";
            frames.send(HEADERS, 4 | END, stream, head).await;
        }
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    let answer = client.request(Method::HEAD, "/").send_raw().await.unwrap();
    assert_eq!(answer.headers()["content-length"], "1000");
    assert!(answer.body().is_empty());
    // For another method it is a response that is cut off.
    let error = client.get("/").retries(0).send_raw().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}
