//! When a connection is used again, and how many there may be.

use std::time::Duration;

use bytes::Bytes;
use civic_client::{
    Body, ErrorKind, Phase, ServiceClient, Transmission, Transport, TransportConfig,
};
use civic_testkit::upstream::{Step, Upstream};
use http::{Method, Request, Version};
use tokio::runtime::{self, Handle};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::{Service, ServiceExt};

use crate::support::{call, client_of, ends, exact, peer};

const SECOND: Duration = Duration::from_secs(1);

fn connections(peer: &Upstream) -> Vec<usize> {
    let attempts = peer.attempts();
    attempts.iter().map(|attempt| attempt.connection).collect()
}

/// Makes `count` calls at once and returns how many succeeded.
async fn at_once(client: &ServiceClient, count: usize) -> usize {
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let client = client.clone();
        calls.spawn(async move { call(&client, &Method::POST).await });
    }
    let ended = calls.join_all().await;
    ended.iter().filter(|result| result.is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_another_connection_and_the_first_one_is_closed() {
    let ok = Step::status(204);
    for sick in [Step::status(503), Step::status(500)] {
        let (peer, client) = peer([ok.clone(), sick, ok.clone()]).await;
        for _ in 0..4 {
            call(&client, &Method::GET).await.unwrap();
        }
        assert_eq!(connections(&peer), [1, 1, 2, 2, 2]);
        peer.closed(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_too_many_requests_stays_on_its_connection() {
    let limited = Step::status(429).header("retry-after", "1");
    let (peer, client) = peer([limited, Step::status(204)]).await;
    call(&client, &Method::GET).await.unwrap();
    assert_eq!(connections(&peer), [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_takes_no_request_after_its_maximum_age() {
    let peer = Upstream::start([Step::status(204)]).await;
    let config = TransportConfig::new().with_max_age(10 * SECOND);
    let client = exact(&peer.url()).transport(config).build().unwrap();
    for _ in 0..200 {
        call(&client, &Method::POST).await.unwrap();
        sleep(SECOND / 2).await;
    }
    let attempts = peer.attempts();
    for connection in 1..=peer.connections() {
        let uses = || {
            attempts
                .iter()
                .filter(|attempt| attempt.connection == connection)
        };
        let age = uses().last().unwrap().at - uses().next().unwrap().at;
        assert!(age <= 12 * SECOND, "{age:?}");
        let is_last = connection == peer.connections();
        assert!(is_last || age >= 7 * SECOND, "{age:?}");
    }
    assert!(peer.connections() >= 8);
}

#[tokio::test(start_paused = true)]
async fn connections_live_for_2_minutes_at_most() {
    let (peer, client) = peer([Step::status(204)]).await;
    for _ in 0..200 {
        call(&client, &Method::GET).await.unwrap();
        sleep(SECOND).await;
    }
    let first = peer
        .attempts()
        .iter()
        .filter(|attempt| attempt.connection == 1)
        .count();
    assert!((95..=145).contains(&first), "{first}");
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_announces_shortens_the_idle_time_and_never_lengthens_it() {
    for (hint, idle) in [
        ("timeout=1", 500),
        ("timeout=2, max=100", 1000),
        ("timeout=5", 4000),
        ("timeout=72", 4000),
        ("max=100", 4000),
    ] {
        let (peer, client) = peer([Step::status(204).header("keep-alive", hint)]).await;
        for wait in [0, idle - 1, idle + 1] {
            sleep(Duration::from_millis(wait)).await;
            call(&client, &Method::POST).await.unwrap();
        }
        assert_eq!(connections(&peer), [1, 1, 2], "{hint}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_most_recently_used_connection_is_used_first() {
    let (peer, client) = peer([Step::status(204).delay(Duration::from_millis(10))]).await;
    assert_eq!(at_once(&client, 5).await, 5);
    for _ in 0..10 {
        call(&client, &Method::GET).await.unwrap();
    }
    let used = connections(&peer).split_off(5);
    assert!(
        used.iter().all(|connection| *connection == used[0]),
        "{used:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn at_most_100_connections_are_open_and_all_of_600_calls_succeed() {
    let (peer, client) = peer([Step::status(204).delay(Duration::from_millis(10))]).await;
    assert_eq!(at_once(&client, 600).await, 600);
    assert_eq!(peer.connections(), 100);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_count_and_give_way() {
    let peer = Upstream::start([Step::status(204)]).await;
    for (max, max_idle) in [(1, 32), (3, 32), (3, 1), (3, 0), (0, 32)] {
        let config = TransportConfig::new()
            .with_max_connections(max)
            .with_max_idle(max_idle);
        let client = exact(&peer.url()).transport(config).build().unwrap();
        let before = peer.connections();
        assert_eq!(at_once(&client, 20).await, 20, "{max} {max_idle}");
        if max_idle > max {
            assert_eq!(peer.connections() - before, max.max(1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_connection_ends_with_its_timeout_and_was_never_sent() {
    let peer = Upstream::start([Step::hang()]).await;
    let config = TransportConfig::new().with_max_connections(1);
    let client = exact(&peer.url())
        .transport(config)
        .retries(0)
        .build()
        .unwrap();
    let first = tokio::spawn({
        let client = client.clone();
        async move { call(&client, &Method::POST).await }
    });
    peer.received(1).await;
    let second = client.post("/").timeout(SECOND).json(&true).send();
    let error = ends(second).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.transmission(), Transmission::NotSent);
    assert_eq!(error.phase(), Some(Phase::Connecting));
    assert_eq!(error.elapsed().as_millis(), 1000);
    assert_eq!(
        first.await.unwrap().unwrap_err().transmission(),
        Transmission::Unknown
    );
    assert_eq!(peer.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_free_before_the_body_was_read() {
    let peer = Upstream::start([Step::drip("123", SECOND)]).await;
    let config = TransportConfig::new().with_max_connections(1);
    let client = exact(&peer.url()).transport(config).build().unwrap();
    let start = tokio::time::Instant::now();
    let both = tokio::join!(
        client.get("/").fetch::<u32>(),
        client.get("/").fetch::<u32>()
    );
    assert_eq!((both.0.unwrap(), both.1.unwrap()), (123, 123));
    assert_eq!(start.elapsed().as_secs(), 6);
    assert_eq!(peer.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn cancelled_calls_leave_no_task_no_connection_and_no_permit_behind() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    for step in [
        Step::status(204).delay(Duration::from_millis(20)),
        Step::hang(),
        Step::drip("12345678", Duration::from_millis(5)),
        Step::hang_in_body(),
    ] {
        let peer = Upstream::start([step]).await;
        let config = TransportConfig::new().with_max_connections(5);
        let client = exact(&peer.url()).transport(config).build().unwrap();
        sleep(SECOND).await;
        let before = tasks();
        let mut calls = JoinSet::new();
        for number in 0..200_u64 {
            let client = client.clone();
            calls.spawn(async move {
                let called = call(&client, &Method::POST);
                drop(timeout(Duration::from_micros(250 * number), called).await);
            });
        }
        calls.join_all().await;
        // Those that ended well are idle, for 4 s.
        sleep(5 * SECOND).await;
        peer.closed(peer.connections()).await;
        sleep(SECOND).await;
        assert_eq!(tasks(), before);
        // Each of the five places is free again.
        let last = client.get("/").timeout(SECOND).send_raw();
        let _ = ends(last).await;
        assert!(peer.connections() > 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_before_it_has_read_the_request_costs_only_its_connection() {
    // More than the kernel's buffers hold.
    let body = "x".repeat(8 * 1024 * 1024);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let accepted = tokio::spawn(async move {
        let mut held = Vec::new();
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap();
            let answer = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer)
                .await
                .unwrap();
            // It reads no more, and keeps the connection open.
            held.push(stream);
        }
        held
    });
    let config = TransportConfig::new().with_max_connections(1);
    let client = exact(&format!("http://{addr}"))
        .transport(config)
        .build()
        .unwrap();
    for _ in 0..3 {
        let sent = client.post("/").json(&body).send_raw();
        assert_eq!(ends(sent).await.unwrap().status(), 413);
    }
    assert_eq!(accepted.await.unwrap().len(), 3);
}

#[test]
fn a_client_may_be_used_in_several_runtimes_one_after_the_other_and_at_once() {
    let runtime = || {
        runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second, peers) = (runtime(), runtime(), runtime());
    let peer = peers.block_on(Upstream::start([Step::status(204)]));
    // Longer than a busy machine takes for three calls.
    let config = TransportConfig::new().with_idle_timeout(3 * SECOND);
    let client = exact(&peer.url()).transport(config).build().unwrap();

    first.block_on(call(&client, &Method::POST)).unwrap();
    second.block_on(call(&client, &Method::POST)).unwrap();
    first.block_on(call(&client, &Method::POST)).unwrap();
    assert_eq!(connections(&peer), [1, 2, 1], "each runtime has its own");
    drop(first);
    peers.block_on(peer.closed(1));
    second.block_on(call(&client, &Method::POST)).unwrap();
    // Closed by itself, although the runtime that used the client first is gone.
    peers.block_on(peer.closed(2));
}

#[tokio::test]
async fn a_call_in_flight_does_not_end_with_the_runtime_of_another_call() {
    let peer = Upstream::start([Step::status(204), Step::status(204).delay(SECOND)]).await;
    let client = client_of(&peer);
    let elsewhere = tokio::task::spawn_blocking({
        let client = client.clone();
        move || {
            let other = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            other.block_on(call(&client, &Method::POST)).unwrap();
        }
    });
    elsewhere.await.unwrap();
    call(&client, &Method::POST).await.unwrap();
    assert_eq!(connections(&peer), [1, 2]);
}

#[tokio::test]
async fn requests_say_what_they_accept_and_who_sends_them_unless_the_caller_does() {
    let (peer, client) = peer([Step::status(204)]).await;
    call(&client, &Method::GET).await.unwrap();
    let named = client.get("/").header("accept", "text/csv");
    named
        .header("user-agent", "billing/7")
        .send()
        .await
        .unwrap();
    let attempts = peer.attempts();
    let seen = |index: usize| {
        let attempt = &attempts[index];
        ["accept", "user-agent"].map(|name| attempt.header(name).unwrap().to_owned())
    };
    let own = concat!("civic-client/", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen(0), ["application/json", own]);
    assert_eq!(seen(1), ["text/csv", "billing/7"]);
    assert_eq!(attempts[0].headers.get_all("accept").iter().count(), 1);
}

#[tokio::test]
async fn a_request_that_the_transport_cannot_send_is_a_defect_of_the_caller() {
    let mut transport = Transport::default();
    let request = |uri: &str| Request::builder().uri(uri).body(Body::empty()).unwrap();
    let mut connect = request("http://localhost:80");
    *connect.method_mut() = Method::CONNECT;
    let mut http2 = request("http://localhost:80/");
    *http2.version_mut() = Version::HTTP_2;
    let cases = [
        (request("/relative"), "relative"),
        (request("*"), "relative"),
        (request("https://localhost/"), "TLS"),
        (request("ftp://localhost/"), "scheme"),
        (request("localhost:80"), "relative"),
        (connect, "CONNECT"),
        (http2, "version"),
    ];
    for (request, why) in cases {
        let called = transport.ready().await.unwrap().call(request);
        let error = ends(called).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Request, "{why}");
        assert_eq!(error.transmission(), Transmission::NotSent, "{why}");
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_http_is_not_retried() {
    // What a TLS port answers to plain HTTP, and what other servers do.
    let answers: [&'static [u8]; 4] = [
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"-ERR unknown command 'GET'\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/3.7 200 OK\r\n\r\n",
    ];
    for answer in answers {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let peer = tokio::spawn(async move {
            for connections in 1.. {
                let Ok((mut stream, _)) = listener.accept().await else {
                    return;
                };
                assert_eq!(connections, 1);
                let mut request = [0; 4096];
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
            }
        });
        let client = exact(&format!("http://{addr}")).build().unwrap();
        let error = call(&client, &Method::GET).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Protocol, 1));
        assert_eq!(error.transmission(), Transmission::Unknown);
        peer.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_peer_closes_while_it_is_idle_is_never_the_end_of_a_call() {
    // It says so before it closes, as Node does when it times out.
    let farewell = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n";
    for last_words in ["", farewell] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
                let answer = format!("HTTP/1.1 204 No Content\r\n\r\n{last_words}");
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
            }
        });
        let client = exact(&format!("http://{addr}")).retries(0).build().unwrap();
        for _ in 0..50 {
            call(&client, &Method::POST).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_body_that_was_not_read_to_its_end_closes_its_connection() {
    let (peer, _) = peer([Step::hang_in_body()]).await;
    let transport = Transport::default();
    let request = Request::get(peer.url())
        .body(Body::from(Bytes::new()))
        .unwrap();
    let response = ends(transport.oneshot(request)).await.unwrap();
    drop(response);
    peer.closed(1).await;
}
