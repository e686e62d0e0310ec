//! How many calls are under way.

use std::time::Duration;

use civic_client::{ErrorKind, InFlightLimitLayer, NotRetried, Transmission};
use civic_testkit::contract::assert_ready_before_call;
use civic_testkit::upstream::{Step, Upstream};
use http::Method;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::{call, ends, exact, millis};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn at_most_so_many_calls_are_under_way_and_the_others_go_on_in_the_order_of_arrival() {
    let peer = Upstream::start([Step::json("1").delay(SECOND)]).await;
    let client = exact(&peer.url()).max_in_flight(2).build().unwrap();
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for number in 0..6_u32 {
        // Clones share the limit.
        let client = client.clone();
        calls.spawn(async move {
            sleep(Duration::from_millis(number.into())).await;
            client
                .get("/{n}")
                .param("n", number)
                .fetch::<u8>()
                .await
                .unwrap();
            number
        });
    }
    let mut order = calls.join_all().await;
    order.sort_unstable();
    assert_eq!(order, [0, 1, 2, 3, 4, 5]);
    let attempts = peer.attempts();
    let targets: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt.target.as_str())
        .collect();
    assert_eq!(targets, ["/0", "/1", "/2", "/3", "/4", "/5"]);
    assert_eq!(millis(&attempts), [0, 1, 1000, 1001, 2000, 2001]);
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_under_way_until_its_body_was_read_and_its_retries_are_done() {
    let script = [
        Step::drip("12", SECOND),
        Step::status(503),
        Step::json("3"),
        Step::json("4"),
    ];
    let peer = Upstream::start(script).await;
    let client = exact(&peer.url()).max_in_flight(1).build().unwrap();
    let calls = [(); 3].map(|()| {
        let client = client.clone();
        tokio::spawn(async move { client.get("/").fetch::<u8>().await.unwrap() })
    });
    let mut values = Vec::new();
    for call in calls {
        values.push(call.await.unwrap());
    }
    assert_eq!(values, [12, 3, 4]);
    assert_eq!(millis(&peer.attempts()), [0, 2000, 2500, 2500]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_in_vain_was_never_sent() {
    let peer = Upstream::start([Step::status(204).delay(50 * SECOND)]).await;
    let limited = exact(&peer.url()).max_in_flight(1).timeout(60 * SECOND);
    let client = limited.build().unwrap();
    let first = tokio::spawn({
        let client = client.clone();
        async move { call(&client, &Method::POST).await }
    });
    peer.received(1).await;
    let post = || client.post("/").json(&true);
    for (request, kind, seconds) in [
        (post(), ErrorKind::Overloaded, 10),
        (post().deadline(2 * SECOND), ErrorKind::Deadline, 2),
        (post().deadline(30 * SECOND), ErrorKind::Overloaded, 10),
    ] {
        let start = Instant::now();
        let error = ends(request.send()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.transmission(), Transmission::NotSent);
        assert_eq!(start.elapsed().as_secs(), seconds);
        assert_ne!(error.not_retried(), Some(NotRetried::Exhausted));
    }
    // Given up while it waits: it takes no place.
    drop(tokio::time::timeout(SECOND, post().send()).await);
    first.await.unwrap().unwrap();
    assert_eq!(peer.attempts().len(), 1);
    let second = tokio::spawn(async move { call(&client, &Method::POST).await });
    peer.received(2).await;
    second.abort();
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_none_is_one_and_it_waits_in_no_poll_ready() {
    let peer = Upstream::start([Step::status(204)]).await;
    let client = exact(&peer.url()).max_in_flight(0).build().unwrap();
    call(&client, &Method::GET).await.unwrap();
    let request = http::Request::new(civic_client::Body::empty());
    assert_ready_before_call(InFlightLimitLayer::new(1), request).await;
}
