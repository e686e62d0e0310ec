//! What an exchange over HTTP/2 ends with, and whether its request was sent.

use std::sync::Arc;
use std::time::Duration;

use civic_client::{Body, ErrorKind, NotRetried, Transmission};
use h2::Reason;
use http::Method;
use tokio::time::{Instant, sleep};

use crate::streaming::Frames as Pieces;
use crate::support::call;
use crate::support::http2::{END, INITIAL_WINDOW_SIZE, RawPeer, assuming};

const SECOND: Duration = Duration::from_secs(1);

const REASONS: [Reason; 12] = [
    Reason::NO_ERROR,
    Reason::PROTOCOL_ERROR,
    Reason::INTERNAL_ERROR,
    Reason::FLOW_CONTROL_ERROR,
    Reason::SETTINGS_TIMEOUT,
    Reason::STREAM_CLOSED,
    Reason::FRAME_SIZE_ERROR,
    Reason::CANCEL,
    Reason::COMPRESSION_ERROR,
    Reason::CONNECT_ERROR,
    Reason::ENHANCE_YOUR_CALM,
    Reason::INADEQUATE_SECURITY,
];

#[tokio::test(start_paused = true)]
async fn a_refused_stream_was_never_sent_and_is_retried_with_every_method_after_a_wait() {
    for method in [Method::GET, Method::POST, Method::PATCH] {
        let peer = RawPeer::start(&[], |_, mut frames| async move {
            let mut refused = false;
            loop {
                let stream = frames.request().await?;
                if std::mem::replace(&mut refused, true) {
                    frames.answer(stream, 204).await;
                } else {
                    frames.reset(stream, Reason::REFUSED_STREAM).await;
                }
            }
        })
        .await;
        let client = assuming(&peer.url()).build().unwrap();
        let start = Instant::now();
        let error = client.request(method.clone(), "/").retries(0).send().await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{method}");
        assert_eq!(error.transmission(), Transmission::NotSent);
        call(&client, &method).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(peer.connections(), 1, "it goes on");
    }

    let peer = RawPeer::start(&[], |number, mut frames| async move {
        loop {
            let stream = frames.request().await?;
            if number == 1 {
                frames.reset(stream, Reason::REFUSED_STREAM).await;
            } else {
                frames.answer(stream, 204).await;
            }
        }
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    let start = Instant::now();
    call(&client, &Method::POST).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(500));
    assert_eq!(peer.requests(), [(1, 1), (2, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_reset_for_another_reason_may_have_been_executed() {
    for reason in REASONS {
        let peer = RawPeer::start(&[], move |_, mut frames| async move {
            loop {
                let stream = frames.request().await?;
                frames.reset(stream, reason).await;
            }
        })
        .await;
        let client = assuming(&peer.url()).build().unwrap();
        let error = call(&client, &Method::POST).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport, "{reason:?}");
        assert_eq!(error.transmission(), Transmission::Unknown, "{reason:?}");
        assert_eq!(error.not_retried(), Some(NotRetried::NotReplaySafe));
        let error = call(&client, &Method::GET).await.unwrap_err();
        assert_eq!(error.attempts(), 3, "{reason:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_wants_http_1_1_is_not_asked_again() {
    let peer = RawPeer::start(&[], |_, mut frames| async move {
        loop {
            let stream = frames.request().await?;
            frames.reset(stream, Reason::HTTP_1_1_REQUIRED).await;
        }
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    let error = call(&client, &Method::GET).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Protocol, 1));
    assert!(error.to_string().contains("HTTP/1.1"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_that_ends_has_not_processed_goes_to_another_connection_at_once() {
    // It has taken the first of three.
    let peer = RawPeer::start(&[], |number, mut frames| async move {
        if number > 1 {
            return frames.serve().await;
        }
        for _ in 0..3 {
            frames.request().await?;
        }
        frames.go_away(1, Reason::NO_ERROR).await;
        sleep(SECOND).await;
        // What it has taken it answers.
        frames.answer(1, 204).await;
        frames.hang().await
    })
    .await;
    let client = assuming(&peer.url()).retries(0).build().unwrap();
    let start = Instant::now();
    let calls = [(); 3].map(|()| call(&client, &Method::POST));
    let [first, second, third] = calls;
    let outcomes = tokio::join!(first, second, third);
    outcomes.0.unwrap();
    outcomes.1.unwrap();
    outcomes.2.unwrap();
    assert_eq!(start.elapsed(), SECOND, "the first is waited for");
    let mut requests = peer.requests();
    requests.sort_unstable();
    assert_eq!(requests, [(1, 1), (1, 3), (1, 5), (2, 1), (2, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_peer_ends_it_takes_no_further_request() {
    let peer = RawPeer::start(&[], |number, mut frames| async move {
        if number > 1 {
            return frames.serve().await;
        }
        let stream = frames.request().await?;
        // The two steps of a graceful end: first no limit, then the last one.
        frames.go_away((1 << 31) - 1, Reason::NO_ERROR).await;
        sleep(SECOND).await;
        frames.answer(stream, 204).await;
        frames.go_away(stream, Reason::NO_ERROR).await;
        frames.hang().await
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    let first = tokio::spawn({
        let client = client.clone();
        async move { call(&client, &Method::POST).await }
    });
    peer.received(1).await;
    sleep(SECOND / 2).await;
    call(&client, &Method::POST).await.unwrap();
    assert_eq!(peer.requests(), [(1, 1), (2, 1)]);
    first.await.unwrap().unwrap();
    peer.closed(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_ends_because_of_an_error_may_have_executed_what_it_was_sent() {
    for reason in &REASONS[1..] {
        let reason = *reason;
        for last in [0, 1] {
            let peer = RawPeer::start(&[], move |_, mut frames| async move {
                frames.request().await?;
                frames.go_away(last, reason).await;
                None
            })
            .await;
            let client = assuming(&peer.url()).build().unwrap();
            let error = call(&client, &Method::POST).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Transport, "{reason:?} {last}");
            assert_eq!(error.transmission(), Transmission::Unknown, "{reason:?}");
            assert_eq!(peer.requests(), [(1, 1)]);
            let text = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_that_its_peer_ends_at_once_is_retried_after_a_wait() {
    let peer = RawPeer::start(&[], |number, mut frames| async move {
        if number > 2 {
            return frames.serve().await;
        }
        frames.request().await?;
        frames.go_away(0, Reason::NO_ERROR).await;
        frames.hang().await
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    let start = Instant::now();
    call(&client, &Method::POST).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(1500));
    assert_eq!(peer.requests(), [(1, 1), (2, 1), (3, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_leaves_it_open_whether_its_requests_were_executed() {
    for cut in [false, true] {
        let peer = RawPeer::start(&[], move |_, mut frames| async move {
            frames.request().await?;
            if cut {
                frames.cut();
            }
            None
        })
        .await;
        let client = assuming(&peer.url()).build().unwrap();
        let error = call(&client, &Method::POST).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport);
        assert_eq!(error.transmission(), Transmission::Unknown);
        assert_eq!(peer.requests(), [(1, 1)]);
        let error = call(&client, &Method::GET).await.unwrap_err();
        assert_eq!((error.attempts(), peer.connections()), (3, 4));
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_meets_the_silent_end_of_its_connection_is_sent_once_on_another_one() {
    for cut in [false, true] {
        let peer = RawPeer::start(&[], move |number, mut frames| async move {
            if number > 1 {
                return frames.serve().await;
            }
            let stream = frames.request().await?;
            frames.answer(stream, 204).await;
            sleep(SECOND / 2).await;
            if cut {
                frames.cut();
            }
            None
        })
        .await;
        let client = assuming(&peer.url()).retries(0).build().unwrap();
        call(&client, &Method::POST).await.unwrap();
        sleep(SECOND).await;
        call(&client, &Method::POST).await.unwrap();
        call(&client, &Method::POST).await.unwrap();
        assert_eq!(peer.requests(), [(1, 1), (2, 1), (2, 3)]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_written_when_its_connection_broke_was_never_sent() {
    let settings = &[(INITIAL_WINDOW_SIZE, (1 << 31) - 1)];
    let peer = RawPeer::start(settings, |number, mut frames| async move {
        if number > 1 {
            return frames.serve().await;
        }
        frames.send(8, 0, 0, &(1_u32 << 30).to_be_bytes()).await;
        let stream = frames.request().await?;
        frames.answer(stream, 204).await;
        // It reads no more, and the buffers of the sockets fill.
        sleep(2 * SECOND).await;
        frames.cut();
        None
    })
    .await;
    let client = assuming(&peer.url()).retries(0).build().unwrap();
    call(&client, &Method::GET).await.unwrap();
    let upload = tokio::spawn({
        let client = client.clone();
        async move {
            let body = Body::stream(Pieces::new(4096, &Arc::default()));
            client.put("/").body(body).send().await.map(drop)
        }
    });
    sleep(SECOND).await;
    call(&client, &Method::POST).await.unwrap();
    assert_eq!(peer.requests(), [(1, 1), (2, 1)]);
    let error = upload.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert_eq!(error.transmission(), Transmission::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_broken_off_never_looks_complete() {
    let reasons = REASONS.into_iter().chain([Reason::REFUSED_STREAM]);
    for reason in reasons.map(Some).chain([None]) {
        let peer = RawPeer::start(&[], move |_, mut frames| async move {
            loop {
                let stream = frames.request().await?;
                frames.head(stream, 200).await;
                frames.data(stream, b"[1, 2, ", 0).await;
                match reason {
                    Some(reason) => frames.reset(stream, reason).await,
                    None => return None,
                }
            }
        })
        .await;
        let client = assuming(&peer.url()).build().unwrap();
        let fetched = client.post("/").fetch::<Vec<u8>>().await;
        let error = fetched.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport, "{reason:?}");
        assert_eq!(error.transmission(), Transmission::Unknown, "{reason:?}");
        assert_eq!(peer.requests().len(), 1, "{reason:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_whole_counts_although_its_stream_is_reset_after_it() {
    // RFC 9113, section 8.1: the peer does not want the rest of the request.
    let peer = RawPeer::start(&[], |_, mut frames| async move {
        loop {
            let frame = frames.next().await?;
            if frame.kind == crate::support::http2::HEADERS {
                frames.head(frame.stream, 200).await;
                frames.data(frame.stream, b"[1]", END).await;
                frames.reset(frame.stream, Reason::NO_ERROR).await;
            }
        }
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    // More than the windows hold.
    let body = "x".repeat(1024 * 1024);
    let answer = client.post("/").json(&body).send_raw().await.unwrap();
    assert_eq!(answer.body(), "[1]");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_breaks_the_rules_of_http_2_is_not_asked_again() {
    let peer = RawPeer::start(&[], |_, mut frames| async move {
        frames.request().await?;
        // Settings belong to the connection and not to a stream.
        frames
            .send(crate::support::http2::SETTINGS, 0, 1, &[])
            .await;
        frames.hang().await
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    let error = call(&client, &Method::GET).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Protocol, 1));
    assert_eq!(error.transmission(), Transmission::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_head_of_64_kib_is_read_and_a_longer_one_is_an_error_of_its_own_exchange() {
    for (length, fits) in [(60_000_usize, true), (70_000, false)] {
        let peer = RawPeer::start(&[], move |_, mut frames| async move {
            loop {
                let stream = frames.request().await?;
                // A literal with a new name; its length as RFC 7541, section 5.1, writes it.
                let mut field = b"\x00\x01x\x7f".to_vec();
                let mut rest = length - 127;
                while rest >= 128 {
                    field.push(u8::try_from(rest % 128).unwrap() | 0x80);
                    rest /= 128;
                }
                field.push(u8::try_from(rest).unwrap());
                field.extend(std::iter::repeat_n(b'a', length));
                // Without Huffman coding.
                frames.head_with(stream, 200, &field).await;
                frames.data(stream, b"[1]", END).await;
            }
        })
        .await;
        let client = assuming(&peer.url()).build().unwrap();
        let answer = client.get("/").send_raw().await;
        if fits {
            assert_eq!(answer.unwrap().headers()["x"].len(), length);
        } else {
            let error = answer.unwrap_err();
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::Protocol, 1));
            assert_eq!(peer.connections(), 1);
        }
    }
}
