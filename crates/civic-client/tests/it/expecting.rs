//! Requests that must not be sent twice, and connections that end under them.

use std::net::SocketAddr;
use std::time::Duration;

use civic_client::{ErrorKind, Phase, ServiceClient, Transmission, TransportConfig};
use civic_testkit::upstream::{Step, Upstream};
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::support::{call, ends, exact, peer};

const SECOND: Duration = Duration::from_secs(1);

/// What a peer does with a connection after it has answered `answered` requests on it, when the
/// head of the next one is there and its body is not.
#[derive(Clone, Copy, Debug)]
enum Then {
    Close,
    Reset,
    Refuse,
    FailExpectation,
    IgnoreExpectation,
    AnswerLate,
    Hang,
}

/// A peer that answers each request with 204 until `then`, and the requests as it read them.
async fn breaking(
    answered: usize,
    then: Then,
) -> (ServiceClient, mpsc::UnboundedReceiver<(usize, String)>) {
    let (addr, seen) = breaking_on(1, answered, then).await;
    let client = exact(&format!("http://{addr}")).retries(0).build().unwrap();
    (client, seen)
}

/// Such a peer whose connection with this number is the one that breaks.
async fn breaking_on(
    number: usize,
    answered: usize,
    then: Then,
) -> (SocketAddr, mpsc::UnboundedReceiver<(usize, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (sender, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for connection in 1.. {
            let (stream, _) = listener.accept().await.unwrap();
            let breaks = (connection == number).then_some((answered, then));
            tokio::spawn(serve(stream, connection, breaks, sender.clone()));
        }
    });
    (addr, seen)
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    breaks: Option<(usize, Then)>,
    seen: mpsc::UnboundedSender<(usize, String)>,
) {
    let mut buffer = Vec::new();
    for request in 0.. {
        let mut head = loop {
            let text = String::from_utf8_lossy(&buffer).into_owned();
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                break head.to_ascii_lowercase();
            }
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        };
        buffer.drain(..head.len() + 4);
        let breaks = breaks.filter(|(answered, _)| *answered == request);
        match breaks.map(|(_, then)| then) {
            Some(Then::Close) => return,
            Some(Then::Reset) => return stream.set_zero_linger().unwrap(),
            Some(Then::Refuse) => {
                let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\n{}";
                stream.write_all(answer.as_bytes()).await.unwrap();
                // It goes on to read, as a server does that takes what follows for the body.
                while stream.read_buf(&mut buffer).await.unwrap_or(0) > 0 {}
                return;
            }
            Some(Then::FailExpectation) => {
                let answer = "HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
                return;
            }
            Some(Then::Hang) => {
                while stream.read_buf(&mut buffer).await.unwrap_or(0) > 0 {}
                if !buffer.is_empty() {
                    let _ = seen.send((connection, "a body that no one asked for".to_owned()));
                }
                return;
            }
            Some(Then::IgnoreExpectation) => {}
            Some(Then::AnswerLate) => {
                sleep(2 * SECOND).await;
                if stream.try_read_buf(&mut buffer).is_ok_and(|read| read > 0) {
                    head += "\na body that no one asked for";
                }
                stream
                    .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                    .await
                    .unwrap();
            }
            None => {
                if head.contains("expect: 100-continue") {
                    stream
                        .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                        .await
                        .unwrap();
                }
            }
        }
        if head.contains("content-length: 4") {
            while buffer.len() < 4 {
                if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            buffer.drain(..4);
        }
        let _ = seen.send((connection, head));
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_meets_the_end_of_its_connection_is_sent_once_on_another_one() {
    for then in [Then::Close, Then::Reset] {
        let (client, mut seen) = breaking(1, then).await;
        for _ in 0..3 {
            sleep(SECOND).await;
            call(&client, &Method::POST).await.unwrap();
        }
        let mut connections = Vec::new();
        while let Ok((connection, _)) = seen.try_recv() {
            connections.push(connection);
        }
        assert_eq!(connections, [1, 2, 2], "{then:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_new_connection_ends_before_the_body_was_asked_for_was_never_sent() {
    for then in [Then::Close, Then::Reset] {
        let (client, mut seen) = breaking(0, then).await;
        let error = call(&client, &Method::POST).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{then:?}");
        assert_eq!(error.transmission(), Transmission::NotSent);
        assert!(seen.try_recv().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_whose_connection_ends_after_the_body_was_asked_for_is_not_repeated() {
    for step in [Step::fin(), Step::reset()] {
        let (peer, client) = peer([step]).await;
        let error = call(&client, &Method::POST).await.unwrap_err();
        assert_eq!(error.transmission(), Transmission::Unknown);
        assert_eq!(peer.attempts().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_must_not_be_sent_twice_is_asked_for() {
    let (peer, client) = peer([Step::status(204)]).await;
    let post = || client.post("/").json(&true);
    let ends = async |request: civic_client::RequestBuilder<'_>| {
        ends(request.send()).await.unwrap();
        let attempts = peer.attempts();
        attempts
            .last()
            .unwrap()
            .header("expect")
            .map(ToOwned::to_owned)
    };
    let asked = Some("100-continue".to_owned());
    assert_eq!(ends(post()).await, asked, "a new connection");
    assert_eq!(ends(post()).await, asked, "it was alive just now");
    for (request, expected) in [
        (post(), asked.clone()),
        (client.patch("/").json(&true), asked),
        (post().idempotent(true), None),
        (post().idempotency_key("k-1"), None),
        (client.post("/"), None),
        (client.put("/").json(&true), None),
        (client.delete("/"), None),
        (client.get("/"), None),
    ] {
        sleep(Duration::from_millis(2)).await;
        assert_eq!(ends(request).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn asking_can_be_switched_off_and_put_off() {
    for (after, expected) in [
        (Duration::MAX, [false; 3]),
        (2 * SECOND, [true, false, true]),
    ] {
        let peer = Upstream::start([Step::status(204)]).await;
        let config = TransportConfig::new().with_ask_after(after);
        let client = exact(&peer.url()).transport(config).build().unwrap();
        for wait in [0, 1, 3] {
            sleep(wait * SECOND).await;
            call(&client, &Method::POST).await.unwrap();
        }
        let attempts = peer.attempts();
        let asked = attempts
            .iter()
            .map(|attempt| attempt.header("expect").is_some());
        assert_eq!(asked.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_before_the_body_was_sent_is_the_answer_and_ends_the_connection() {
    let (client, mut seen) = breaking(1, Then::Refuse).await;
    call(&client, &Method::POST).await.unwrap();
    sleep(SECOND).await;
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(401));
    call(&client, &Method::POST).await.unwrap();
    assert_eq!(seen.recv().await.unwrap().0, 1);
    assert_eq!(seen.recv().await.unwrap().0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_cannot_answer_the_question_is_not_asked_again() {
    for then in [Then::FailExpectation, Then::IgnoreExpectation] {
        let (client, mut seen) = breaking(0, then).await;
        let start = tokio::time::Instant::now();
        for _ in 0..4 {
            call(&client, &Method::POST).await.unwrap();
            sleep(5 * SECOND).await;
        }
        let mut asked = 0;
        while let Ok((_, head)) = seen.try_recv() {
            asked += usize::from(head.contains("expect:"));
        }
        match then {
            Then::IgnoreExpectation => {
                assert_eq!(asked, 1);
                assert_eq!(start.elapsed().as_secs(), 21, "it had a second to answer");
            }
            _ => assert_eq!(asked, 0, "the one that was refused is not counted"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_the_head_and_hangs_costs_the_attempt_and_the_post_is_not_repeated() {
    let (client, mut seen) = breaking(0, Then::Hang).await;
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.transmission(), Transmission::Unknown);
    assert_eq!(error.phase(), Some(Phase::Waiting));
    assert_eq!(error.elapsed().as_secs(), 10);
    // It is not known to answer the question: after a second, the body was sent.
    assert!(seen.recv().await.unwrap().1.contains("no one asked for"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_has_asked_before_never_gets_a_body_unasked_however_long_it_takes() {
    let (addr, mut seen) = breaking_on(1, 1, Then::Hang).await;
    let client = exact(&format!("http://{addr}")).build().unwrap();
    call(&client, &Method::POST).await.unwrap();
    let hangs = client.post("/").json(&true).retries(0).send();
    let error = ends(hangs).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.transmission(), Transmission::NotSent);
    assert_eq!(error.phase(), Some(Phase::Sending));
    assert_eq!(seen.recv().await.unwrap().0, 1);
    // So it may be repeated: a new connection takes it.
    call(&client, &Method::POST).await.unwrap();
    let (connection, head) = seen.recv().await.unwrap();
    assert_eq!(connection, 2);
    assert!(!head.contains("no one asked for"));

    let (addr, mut seen) = breaking_on(1, 1, Then::Hang).await;
    let client = exact(&format!("http://{addr}")).build().unwrap();
    for _ in 0..2 {
        call(&client, &Method::POST).await.unwrap();
    }
    let connections = [seen.recv().await.unwrap().0, seen.recv().await.unwrap().0];
    assert_eq!(connections, [1, 2], "executed once each");
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_to_a_peer_that_is_known_to_ask_is_waited_for_longer_than_a_second() {
    for (number, unasked) in [(1, true), (2, false)] {
        let (addr, mut seen) = breaking_on(number, 0, Then::AnswerLate).await;
        let client = exact(&format!("http://{addr}")).retries(0).build().unwrap();
        for connection in 1..=number {
            call(&client, &Method::POST).await.unwrap();
            let (used, head) = seen.recv().await.unwrap();
            assert_eq!(used, connection);
            let is_late = connection == number;
            assert_eq!(head.contains("no one asked for"), is_late && unasked);
            // Its connection is closed by then.
            sleep(5 * SECOND).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_was_slow_to_answer_the_question_once_is_asked_again() {
    let (client, mut seen) = breaking(0, Then::AnswerLate).await;
    for _ in 0..3 {
        call(&client, &Method::POST).await.unwrap();
        sleep(SECOND).await;
        let (_, head) = seen.recv().await.unwrap();
        assert!(head.contains("expect:"));
    }
}
