//! Which connections are used, for how long and for how much.

use std::time::Duration;

use civic_client::{ErrorKind, ServiceClient, TransportConfig};
use civic_testkit::upstream::{Step, Upstream};
use http::Method;
use tokio::time::{Instant, sleep};

use crate::support::{call, client_of, exact, peer, swallowing};

const MILLISECOND: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn the_connection_of_an_error_answer_is_used_again() {
    // Just under the cap: hyper alone would read about 20 KB of it and give the connection up.
    let peer = Upstream::start([Step::status(500).body(vec![b'x'; 60 * 1024])]).await;
    let client = exact(&peer.url()).retries(0).build().unwrap();
    for _ in 0..9 {
        call(&client, &Method::GET).await.unwrap_err();
    }
    assert_eq!(peer.attempts().len(), 9);
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn an_error_body_is_read_up_to_64_kib_and_the_answer_keeps_its_status() {
    let at_cap = Step::status(404).body(vec![b'x'; 64 * 1024]);
    let over_cap = Step::status(404).body(vec![b'x'; 8 * 1024 * 1024]);
    let (peer, client) = peer([at_cap.clone(), over_cap, at_cap]).await;
    for _ in 0..3 {
        let response = client.get("/").send_raw().await.unwrap();
        assert_eq!(response.status(), 404);
        assert_eq!(response.body().len(), 64 * 1024);
    }
    let connections: Vec<_> = peer
        .attempts()
        .iter()
        .map(|attempt| attempt.connection)
        .collect();
    assert_eq!(
        connections,
        [1, 1, 2],
        "only the one that was not read to its end is given up"
    );
}

#[tokio::test]
async fn a_success_is_read_up_to_16_mib() {
    let max = 16 * 1024 * 1024;
    let mut body = vec![b' '; max];
    body[0] = b'1';
    let mut longer = body.clone();
    longer.push(b' ');
    let (_peer, client) = peer([Step::json(body), Step::json(longer)]).await;
    assert_eq!(client.get("/").fetch::<u8>().await.unwrap(), 1);
    assert_eq!(
        client.get("/").fetch::<u8>().await.unwrap_err().kind(),
        ErrorKind::BodyTooLarge
    );
}

#[tokio::test]
async fn a_body_of_unknown_length_is_capped_too() {
    let chunked = |length: usize| {
        let data = "1".repeat(length);
        let frames = format!("{length:x}\r\n{data}\r\n0\r\n\r\n");
        Step::json(frames)
            .header("transfer-encoding", "chunked")
            .without_length()
    };
    let peer = Upstream::start([chunked(8), chunked(9)]).await;
    let client = exact(&peer.url()).max_body(8).build().unwrap();
    assert_eq!(client.get("/").fetch::<u64>().await.unwrap(), 11_111_111);
    assert_eq!(
        client.get("/").fetch::<u64>().await.unwrap_err().kind(),
        ErrorKind::BodyTooLarge
    );
}

/// The connections that calls use which are made after these idle times.
async fn connections_after(client: &ServiceClient, peer: &Upstream, idle: [u64; 3]) -> Vec<usize> {
    for millis in idle {
        sleep(Duration::from_millis(millis)).await;
        call(client, &Method::GET).await.unwrap();
    }
    peer.attempts()
        .iter()
        .map(|attempt| attempt.connection)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_used_for_4_seconds_and_not_after() {
    let (peer, client) = peer([Step::status(204)]).await;
    assert_eq!(
        connections_after(&client, &peer, [0, 3999, 4001]).await,
        [1, 1, 2]
    );
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_without_another_request() {
    let (peer, client) = peer([Step::status(204)]).await;
    call(&client, &Method::GET).await.unwrap();
    peer.closed(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_closed_4_seconds_after_its_last_request_however_many_there_were() {
    let (peer, client) = peer([Step::status(204)]).await;
    let used = connections_after(&client, &peer, [0, 3000, 3500]).await;
    assert_eq!(used, [1, 1, 1]);
    let last = Instant::now();
    peer.closed(1).await;
    let idle = last.elapsed().as_millis();
    assert!((3990..=4010).contains(&idle), "{idle} ms");
}

#[tokio::test(start_paused = true)]
async fn the_idle_time_can_be_chosen() {
    let peer = Upstream::start([Step::status(204)]).await;
    let config = TransportConfig::new().with_idle_timeout(Duration::from_secs(60));
    let client = exact(&peer.url()).transport(config).build().unwrap();
    assert_eq!(
        connections_after(&client, &peer, [0, 59_000, 61_000]).await,
        [1, 1, 2]
    );
}

#[tokio::test(start_paused = true)]
async fn at_most_32_idle_connections_are_kept() {
    let (peer, client) = peer([Step::status(204).delay(Duration::from_millis(10))]).await;
    let at_once = |count: usize| {
        let calls: Vec<_> = (0..count)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { call(&client, &Method::GET).await })
            })
            .collect();
        async move {
            for call in calls {
                call.await.unwrap().unwrap();
            }
        }
    };
    at_once(40).await;
    assert_eq!(peer.connections(), 40);
    peer.closed(8).await;
    at_once(32).await;
    assert_eq!(peer.connections(), 40, "32 were kept");
}

#[tokio::test(start_paused = true)]
async fn connecting_may_take_3_seconds() {
    let (_full, addr) = swallowing().await;
    let client = exact(&format!("http://{addr}")).retries(0).build().unwrap();
    let error = call(&client, &Method::POST).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.is_timeout(), "the cause is a timeout: {error:?}");
    assert_eq!(error.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn clones_of_a_client_share_their_connections() {
    let (peer, client) = peer([Step::status(204)]).await;
    call(&client, &Method::GET).await.unwrap();
    call(&client.clone(), &Method::GET).await.unwrap();
    assert_eq!(peer.connections(), 1);
    call(&client_of(&peer), &Method::GET).await.unwrap();
    assert_eq!(peer.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_peer_closed_while_it_was_idle_costs_nothing() {
    let (peer, client) = peer([Step::status(204).close_silently()]).await;
    for _ in 0..20 {
        client.post("/").retries(0).send().await.unwrap();
        // Long enough for the end of the connection to arrive, on a clock that only moves when all
        // is done.
        sleep(MILLISECOND).await;
    }
    assert_eq!((peer.attempts().len(), peer.connections()), (20, 20));
}
