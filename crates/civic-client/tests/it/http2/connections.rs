//! Which connections there are, for how long, and who waits for them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use civic_client::observe::{Observer, PoolChange, PoolEvent};
use civic_client::transport::Http2;
use civic_client::{ErrorKind, Phase, ServiceClient, Transmission, TransportConfig};
use h2::Reason;
use http::Method;
use tokio::runtime::{self, Handle};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::support::http2::{END, MAX_CONCURRENT_STREAMS, PING, RawPeer, assuming};
use crate::support::{call, ends, exact};

const SECOND: Duration = Duration::from_secs(1);

/// Answers each request a while after it has arrived, in the order of their arrival.
async fn slow(mut frames: crate::support::http2::Frames, after: Duration) -> Option<()> {
    let mut waiting = std::collections::VecDeque::new();
    loop {
        let next = waiting.front().map(|(at, _)| *at);
        tokio::select! {
            biased;
            stream = frames.request() => waiting.push_back((Instant::now() + after, stream?)),
            () = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            } => {
                if let Some((_, stream)) = waiting.pop_front() {
                    frames.answer(stream, 204).await;
                }
            }
        }
    }
}

async fn slow_peer(settings: &'static [(u16, u32)], after: Duration) -> RawPeer {
    RawPeer::start(settings, move |_, frames| slow(frames, after)).await
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

fn with(http2: Http2) -> TransportConfig {
    TransportConfig::new().with_http2(http2)
}

#[tokio::test(start_paused = true)]
async fn many_calls_share_one_connection_however_many_begin_at_once() {
    let peer = slow_peer(&[], SECOND).await;
    let client = assuming(&peer.url()).build().unwrap();
    let start = Instant::now();
    assert_eq!(at_once(&client, 1000).await, 1000);
    assert_eq!(start.elapsed(), SECOND, "all of them at once");
    assert_eq!(peer.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn further_connections_are_opened_where_the_peer_allows_no_more_streams_on_one() {
    let peer = slow_peer(&[(MAX_CONCURRENT_STREAMS, 10)], SECOND).await;
    let client = assuming(&peer.url()).build().unwrap();
    let start = Instant::now();
    assert_eq!(at_once(&client, 45).await, 45);
    assert_eq!(start.elapsed(), SECOND);
    assert_eq!(peer.connections(), 5);
    // The last one has room for what comes after.
    assert_eq!(at_once(&client, 10).await, 10);
    assert_eq!(peer.connections(), 5);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_of_connections_requests_wait_for_a_stream_in_their_order() {
    let peer = slow_peer(&[(MAX_CONCURRENT_STREAMS, 1)], SECOND).await;
    let config = with(Http2::prior_knowledge()).with_max_connections(2);
    let client = exact(&peer.url()).transport(config).build().unwrap();
    let start = Instant::now();
    assert_eq!(at_once(&client, 10).await, 10);
    assert_eq!(start.elapsed(), 5 * SECOND);
    assert_eq!(peer.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_stream_ends_with_its_timeout_and_was_never_sent() {
    for max in [0, 1] {
        let settings: &'static [(u16, u32)] = match max {
            0 => &[(MAX_CONCURRENT_STREAMS, 0)],
            _ => &[(MAX_CONCURRENT_STREAMS, 1)],
        };
        let peer = slow_peer(settings, 60 * SECOND).await;
        let config = with(Http2::prior_knowledge()).with_max_connections(1);
        let client = exact(&peer.url()).transport(config).retries(0);
        let client = client.timeout(20 * SECOND).build().unwrap();
        let first = tokio::spawn({
            let client = client.clone();
            async move { call(&client, &Method::POST).await }
        });
        if max > 0 {
            peer.received(1).await;
        }
        let second = client.post("/").timeout(4 * SECOND).json(&true).send();
        let error = ends(second).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.transmission(), Transmission::NotSent);
        assert_eq!(error.phase(), Some(Phase::Connecting));
        assert_eq!(error.elapsed(), 4 * SECOND);
        assert_eq!(peer.connections(), 1);
        first.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_allows_streams_later_gets_them_then() {
    let peer = RawPeer::start(&[(MAX_CONCURRENT_STREAMS, 0)], |_, mut frames| async move {
        sleep(5 * SECOND).await;
        frames.settings(&[(MAX_CONCURRENT_STREAMS, 3)]).await;
        frames.serve().await
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    let start = Instant::now();
    assert_eq!(at_once(&client, 10).await, 10);
    assert!(start.elapsed() >= 5 * SECOND && start.elapsed() < 6 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_another_connection_and_the_first_one_goes_on() {
    let peer = RawPeer::start(&[], |number, mut frames| async move {
        loop {
            let stream = frames.request().await?;
            match (number, stream) {
                (1, 3) => frames.answer(stream, 503).await,
                // Another one's, which is under way meanwhile.
                (1, 1) => sleep(SECOND / 100).await,
                _ => frames.answer(stream, 204).await,
            }
            if (number, stream) == (1, 3) {
                sleep(2 * SECOND).await;
                frames.answer(1, 204).await;
            }
        }
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    let first = tokio::spawn({
        let client = client.clone();
        async move { call(&client, &Method::POST).await }
    });
    peer.received(1).await;
    call(&client, &Method::GET).await.unwrap();
    assert_eq!(peer.requests(), [(1, 1), (1, 3), (2, 1)]);
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_30_s_and_an_idle_time_can_be_set() {
    let settings = [
        (Http2::prior_knowledge(), 30_000),
        (Http2::prior_knowledge().with_idle_timeout(SECOND), 1000),
    ];
    for (http2, idle) in settings {
        let peer = RawPeer::start(&[], |_, mut frames| async move { frames.serve().await }).await;
        let client = exact(&peer.url()).transport(with(http2)).build().unwrap();
        call(&client, &Method::GET).await.unwrap();
        sleep(Duration::from_millis(idle - 1)).await;
        call(&client, &Method::GET).await.unwrap();
        assert_eq!(peer.requests(), [(1, 1), (1, 3)]);
        let start = Instant::now();
        peer.closed(1).await;
        assert_eq!(start.elapsed().as_millis(), u128::from(idle));
        assert_eq!(peer.pings(), 0, "an idle one is not asked");
        call(&client, &Method::GET).await.unwrap();
        assert_eq!(peer.connections(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_takes_no_request_after_its_maximum_age_and_ends_what_it_has() {
    let peer = slow_peer(&[], 5 * SECOND).await;
    let config = with(Http2::prior_knowledge()).with_max_age(10 * SECOND);
    let client = exact(&peer.url()).transport(config).build().unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..30 {
        let client = client.clone();
        calls.spawn(async move { call(&client, &Method::POST).await.unwrap() });
        sleep(SECOND).await;
    }
    calls.join_all().await;
    assert!(
        (3..=5).contains(&peer.connections()),
        "{}",
        peer.connections()
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_cancels_its_own_exchange_and_no_other() {
    let peer = RawPeer::start(&[], |_, mut frames| async move {
        let first = frames.request().await?;
        frames.request().await?;
        loop {
            let frame = frames.next().await?;
            if frame.kind == crate::support::http2::RST_STREAM {
                frames.answer(first, 204).await;
            }
        }
    })
    .await;
    let client = assuming(&peer.url()).retries(0).build().unwrap();
    let first = tokio::spawn({
        let client = client.clone();
        async move { call(&client, &Method::POST).await }
    });
    peer.received(1).await;
    let second = client.post("/").timeout(3 * SECOND).json(&true).send();
    let error = ends(second).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.transmission(), Transmission::Unknown);
    assert_eq!(error.phase(), Some(Phase::Waiting));
    first.await.unwrap().unwrap();
    let cancel = u32::from(Reason::CANCEL);
    assert_eq!(peer.resets(), [(1, 3, cancel)]);
    assert_eq!(peer.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_was_silent_until_a_timeout_gets_no_further_request_before_a_sign_of_life() {
    for answers in [true, false] {
        let peer = RawPeer::start(&[], move |number, mut frames| async move {
            if number > 1 {
                return frames.serve().await;
            }
            if !answers {
                frames.swallow_pings();
            }
            frames.request().await?;
            // Whatever comes after is answered.
            frames.serve().await
        })
        .await;
        let client = assuming(&peer.url()).retries(0).build().unwrap();
        let error = client.post("/").timeout(2 * SECOND).json(&true).send();
        ends(error).await.unwrap_err();
        if answers {
            sleep(SECOND / 10).await;
        }
        call(&client, &Method::POST).await.unwrap();
        let second = if answers { (1, 3) } else { (2, 1) };
        assert_eq!(peer.requests(), [(1, 1), second]);
        assert_eq!(peer.pings(), 1);
        if !answers {
            let start = Instant::now();
            peer.closed(1).await;
            assert_eq!(start.elapsed(), 10 * SECOND);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_has_vanished_is_noticed_after_20_s_and_its_calls_may_have_been_executed() {
    let peer = RawPeer::start(&[], |_, mut frames| async move {
        frames.swallow_pings();
        frames.hang().await
    })
    .await;
    let client = assuming(&peer.url()).timeout(60 * SECOND);
    let client = client.retries(0).build().unwrap();
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport);
    assert_eq!(error.transmission(), Transmission::Unknown);
    assert_eq!(error.elapsed(), 20 * SECOND);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("no sign of life"), "{cause}");
    assert_eq!(peer.pings(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_its_time_is_asked_for_a_sign_of_life_and_waited_for() {
    let peer = slow_peer(&[], 45 * SECOND).await;
    let client = assuming(&peer.url()).timeout(60 * SECOND);
    let client = client.retries(0).build().unwrap();
    call(&client, &Method::POST).await.unwrap();
    assert_eq!(peer.pings(), 4);

    // What arrives is a sign of life, and no one is asked.
    let peer = RawPeer::start(&[], |_, mut frames| async move {
        frames.swallow_pings();
        let stream = frames.request().await?;
        frames.head(stream, 200).await;
        for _ in 0..10 {
            sleep(5 * SECOND).await;
            frames.data(stream, b"[", 0).await;
        }
        frames.data(stream, b"]", END).await;
        frames.hang().await
    })
    .await;
    let client = assuming(&peer.url()).timeout(60 * SECOND);
    let client = client.retries(0).build().unwrap();
    let answer = client.get("/").send_raw().await.unwrap();
    assert_eq!(answer.body().len(), 11);
    assert_eq!(peer.pings(), 0);
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_can_be_asked_for_sooner_and_not_at_all() {
    let asked = Http2::prior_knowledge()
        .with_ping_after(SECOND)
        .with_ping_timeout(SECOND);
    let never = Http2::prior_knowledge().with_ping_after(Duration::MAX);
    for (http2, ends_after, kind) in [
        (asked, 2, ErrorKind::Transport),
        (never, 60, ErrorKind::Timeout),
    ] {
        let peer = RawPeer::start(&[], |_, mut frames| async move {
            frames.swallow_pings();
            frames.hang().await
        })
        .await;
        let client = exact(&peer.url()).transport(with(http2)).retries(0);
        let client = client.timeout(60 * SECOND).build().unwrap();
        let error = call(&client, &Method::POST).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.elapsed().as_secs()),
            (kind, ends_after)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_calls_leave_no_task_no_stream_and_no_connection_behind() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let peer = slow_peer(&[(MAX_CONCURRENT_STREAMS, 5)], SECOND / 50).await;
    let config = with(Http2::prior_knowledge()).with_max_connections(3);
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
    // Each of the places is free again.
    assert_eq!(at_once(&client, 15).await, 15);
    assert!(peer.open() <= 3, "{}", peer.open());
    sleep(31 * SECOND).await;
    peer.closed(peer.connections()).await;
    sleep(SECOND).await;
    assert_eq!(tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn connections_end_with_the_last_clone_of_their_client_and_streams_are_read_to_their_end() {
    let peer = RawPeer::start(&[], |_, mut frames| async move {
        let stream = frames.request().await?;
        frames.head(stream, 200).await;
        sleep(5 * SECOND).await;
        frames.data(stream, b"abc", END).await;
        frames.hang().await
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    let mut answer = client.get("/").send_stream().await.unwrap();
    drop(client);
    let chunk = answer.chunk().await.unwrap().unwrap();
    assert_eq!(chunk, "abc");
    assert!(answer.chunk().await.unwrap().is_none());
    drop(answer);
    peer.closed(1).await;
}

/// Writes down what becomes of connections.
#[derive(Default)]
struct Notes(Mutex<Vec<&'static str>>);

impl Observer for Notes {
    fn pool_changed(&self, event: &PoolEvent<'_>) {
        self.0.lock().unwrap().push(match event.change {
            PoolChange::Opened { .. } => "opened",
            PoolChange::NotOpened { .. } => "not opened",
            PoolChange::Closed => "closed",
            PoolChange::Waited { .. } => "waited",
            _ => "other",
        });
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_of_connections_and_waits() {
    let notes = Arc::new(Notes::default());
    let peer = slow_peer(&[(MAX_CONCURRENT_STREAMS, 1)], SECOND).await;
    let config = with(Http2::prior_knowledge()).with_max_connections(1);
    let client = exact(&peer.url()).transport(config);
    let client = client.observer(Arc::clone(&notes)).build().unwrap();
    assert_eq!(at_once(&client, 2).await, 2);
    peer.closed(1).await;
    sleep(SECOND).await;
    assert_eq!(*notes.0.lock().unwrap(), ["opened", "waited", "closed"]);
}

#[test]
fn a_connection_is_not_used_by_another_runtime() {
    let runtime = || {
        runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second, peers) = (runtime(), runtime(), runtime());
    let serve = RawPeer::start(&[], |_, mut frames| async move { frames.serve().await });
    let peer = peers.block_on(serve);
    let client = assuming(&peer.url()).build().unwrap();
    first.block_on(call(&client, &Method::POST)).unwrap();
    second.block_on(call(&client, &Method::POST)).unwrap();
    first.block_on(call(&client, &Method::POST)).unwrap();
    assert_eq!(peer.requests(), [(1, 1), (2, 1), (1, 3)]);
    drop(first);
    second.block_on(call(&client, &Method::POST)).unwrap();
    assert_eq!(peer.requests()[3], (2, 3));
    drop(peers);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_pings_is_answered() {
    let peer = RawPeer::start(&[], |_, mut frames| async move {
        let stream = frames.request().await?;
        frames.send(PING, 0, 0, b"12345678").await;
        loop {
            let frame = frames.next().await?;
            if frame.kind == PING && frame.flags == END && frame.payload == b"12345678" {
                frames.answer(stream, 204).await;
            }
        }
    })
    .await;
    let client = assuming(&peer.url()).build().unwrap();
    call(&client, &Method::POST).await.unwrap();
}
