//! The scripted peer does on the wire what each step says.

use std::io;
use std::time::Duration;

use civic_client::test_util::{Step, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

async fn connect(peer: &Upstream) -> TcpStream {
    TcpStream::connect(peer.addr()).await.unwrap()
}

async fn get(stream: &mut TcpStream, target: &str) {
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: peer\r\nX-Twice: a\r\nx-twice: b\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// Everything until the connection ends, and how it ended.
async fn rest(stream: &mut TcpStream) -> (String, io::Result<()>) {
    let mut text = Vec::new();
    let end = stream.read_to_end(&mut text).await.map(drop);
    (String::from_utf8_lossy(&text).into_owned(), end)
}

/// One answer of a connection that stays open.
async fn answer(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        assert!(
            stream.read_buf(&mut text).await.unwrap() > 0,
            "closed early: {text:?}"
        );
    }
    String::from_utf8(text).unwrap()
}

fn assert_reset(end: io::Result<()>) {
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn each_request_takes_the_next_step_and_the_last_step_repeats() {
    let script = [
        Step::status(503).header("retry-after", "0").body("busy"),
        Step::json("1"),
    ];
    let peer = Upstream::start(script).await;
    let mut stream = connect(&peer).await;
    get(&mut stream, "/a?b=%2F").await;
    assert_eq!(
        answer(&mut stream, "busy").await,
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 4\r\n\r\nbusy"
    );
    for _ in 0..2 {
        get(&mut stream, "/").await;
        assert!(
            answer(&mut stream, "\r\n\r\n1")
                .await
                .starts_with("HTTP/1.1 200 OK\r\n")
        );
    }
    let attempts = peer.attempts();
    assert_eq!(attempts.len(), 3);
    assert_eq!(
        (attempts[0].method.as_str(), attempts[0].target.as_str()),
        ("GET", "/a?b=%2F")
    );
    assert_eq!(attempts[0].headers.get_all("x-twice").iter().count(), 2);
    assert!(
        attempts.iter().all(|attempt| attempt.connection == 1),
        "keep-alive is honoured"
    );
}

#[tokio::test]
async fn bodies_are_recorded_whether_counted_or_chunked() {
    let peer = Upstream::start([Step::status(204)]).await;
    let mut stream = connect(&peer).await;
    let counted = "POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello";
    let chunked =
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    stream
        .write_all(format!("{counted}{chunked}").as_bytes())
        .await
        .unwrap();
    let both = answer(&mut stream, "\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(!both.contains("content-length"), "204 has none: {both}");
    assert!(
        peer.attempts()
            .iter()
            .all(|attempt| attempt.body == "hello")
    );
}

#[tokio::test]
async fn a_head_request_gets_the_length_and_no_body() {
    let peer = Upstream::start([Step::status(200).body("hello").close()]).await;
    let mut stream = connect(&peer).await;
    stream.write_all(b"HEAD / HTTP/1.1\r\n\r\n").await.unwrap();
    let (text, end) = rest(&mut stream).await;
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\n"
    );
    end.unwrap();
}

#[tokio::test]
async fn a_silent_close_follows_a_whole_answer_that_does_not_announce_it() {
    let peer = Upstream::start([Step::status(200).body("hello").close_silently()]).await;
    let mut stream = connect(&peer).await;
    get(&mut stream, "/").await;
    let (text, end) = rest(&mut stream).await;
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    end.unwrap();
}

#[tokio::test]
async fn every_broken_answer_is_broken_in_its_own_way() {
    struct Case {
        name: &'static str,
        step: Step,
        text: &'static str,
        reset: bool,
        recorded: usize,
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab";
    let cases = [
        Case {
            name: "reset at accept",
            step: Step::reset_at_accept(),
            text: "",
            reset: true,
            recorded: 0,
        },
        Case {
            name: "reset",
            step: Step::reset(),
            text: "",
            reset: true,
            recorded: 1,
        },
        Case {
            name: "fin",
            step: Step::fin(),
            text: "",
            reset: false,
            recorded: 1,
        },
        Case {
            name: "half a head",
            step: Step::half_a_head(),
            text: "HTTP/1.1 20",
            reset: false,
            recorded: 1,
        },
        Case {
            name: "reset in body",
            step: Step::reset_in_body("ab"),
            text: head,
            reset: true,
            recorded: 1,
        },
        Case {
            name: "truncated body",
            step: Step::truncated_body("ab"),
            text: head,
            reset: false,
            recorded: 1,
        },
        Case {
            name: "garbage",
            step: Step::garbage(),
            text: "\u{16}\u{3}\u{1} this is not HTTP\r\n\r\n",
            reset: false,
            recorded: 1,
        },
    ];
    for case in cases {
        let peer = Upstream::start([case.step]).await;
        let mut stream = connect(&peer).await;
        // The peer may have reset the connection before it takes the request.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
        let (text, end) = rest(&mut stream).await;
        assert_eq!(text, case.text, "{}", case.name);
        if case.reset {
            assert_reset(end);
        } else {
            end.unwrap();
        }
        assert_eq!(peer.attempts().len(), case.recorded, "{}", case.name);
        assert_eq!(peer.connections(), 1, "{}", case.name);
    }
}

#[tokio::test]
async fn connecting_to_the_refusing_address_is_refused_and_its_port_stays_taken() {
    let nobody = Upstream::refusing().await;
    let error = TcpStream::connect(nobody.addr()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(std::net::TcpListener::bind(nobody.addr()).is_err());
}

#[tokio::test(start_paused = true)]
async fn delays_and_drips_run_on_the_paused_clock() {
    let script = [
        Step::status(200).delay(Duration::from_secs(3600)),
        Step::drip("abcd", Duration::from_secs(60)),
    ];
    let peer = Upstream::start(script).await;
    let mut stream = connect(&peer).await;
    let start = Instant::now();
    get(&mut stream, "/").await;
    answer(&mut stream, "\r\n\r\n").await;
    assert_eq!(start.elapsed().as_secs(), 3600);
    get(&mut stream, "/").await;
    answer(&mut stream, "abcd").await;
    assert_eq!(start.elapsed().as_secs(), 3600 + 4 * 60);
    assert_eq!(peer.attempts()[1].at.duration_since(start).as_secs(), 3600);
}

#[tokio::test]
async fn a_hang_lasts_until_the_caller_closes_and_is_then_counted() {
    let peer = Upstream::start([Step::hang(), Step::hang_in_body()]).await;
    let mut first = connect(&peer).await;
    get(&mut first, "/").await;
    peer.received(1).await;
    let mut second = connect(&peer).await;
    get(&mut second, "/").await;
    answer(&mut second, "\r\n\r\n{\"success\":true,").await;
    drop(second);
    peer.abandoned(1).await;
    drop(first);
    peer.abandoned(2).await;
    assert_eq!(peer.attempts().len(), 2);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "within two minutes")]
async fn waiting_for_what_never_happens_fails_instead_of_hanging() {
    Upstream::start([Step::hang()]).await.received(1).await;
}
