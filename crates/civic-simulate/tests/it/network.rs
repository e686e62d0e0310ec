//! The way from the clients to the servers.

use std::time::Duration;

use civic_simulate::network::{CALL, Network, Topology};
use civic_simulate::server::{Latency, Node, Status};
use http::header::RETRY_AFTER;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::time::{Instant, sleep, timeout};
use tower_service::Service;

use crate::support::always;

fn request(method: Method, uri: &str, call: usize) -> Request<()> {
    Request::builder()
        .method(method)
        .uri(uri)
        .header(CALL, call)
        .body(())
        .expect("a request")
}

async fn send(
    network: &Network,
    request: Request<()>,
) -> Result<Response<Full<bytes::Bytes>>, civic_client::Error> {
    network.clone().call(request).await
}

async fn status(network: &Network, uri: &str) -> u16 {
    let answer = send(network, request(Method::GET, uri, 0)).await;
    answer.expect("an answer").status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn one_name_leads_to_all_servers_alike() {
    let nodes = [StatusCode::OK, StatusCode::IM_A_TEAPOT].map(always);
    let network = Network::new(&nodes, Topology::OneName, 1);
    let mut well = 0;
    for _ in 0..1000 {
        well += usize::from(status(&network, "http://service/").await == 200);
    }
    assert!((450..550).contains(&well), "{well} of 1000");
}

#[tokio::test(start_paused = true)]
async fn a_name_per_node_leads_to_that_node() {
    let nodes = [StatusCode::OK, StatusCode::IM_A_TEAPOT].map(always);
    let network = Network::new(&nodes, Topology::NamePerNode, 1);
    assert_eq!(network.hosts_up(), ["node-0", "node-1"]);
    for _ in 0..10 {
        assert_eq!(status(&network, "http://node-0/").await, 200);
        assert_eq!(status(&network, "http://node-1/").await, 418);
    }
    for wrong in ["http://node-2/", "http://service/"] {
        let answer = send(&network, request(Method::GET, wrong, 0)).await;
        let error = answer.expect_err("there is no such node");
        assert_eq!(error.kind(), civic_client::ErrorKind::Connect, "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_joins_later_gets_nothing_before() {
    let nodes = [
        always(StatusCode::OK),
        always(StatusCode::IM_A_TEAPOT).with_start(Duration::from_secs(5)),
    ];
    let network = Network::new(&nodes, Topology::OneName, 1);
    for _ in 0..40 {
        assert_eq!(status(&network, "http://service/").await, 200);
    }
    sleep(Duration::from_secs(1)).await;
    let mut joined = false;
    for _ in 0..40 {
        joined |= status(&network, "http://service/").await == 418;
    }
    assert!(joined);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_taken_says_so_and_what_failed_does_not() {
    let cases = [
        (200, None),
        (400, None),
        (429, Some("1")),
        (500, None),
        (503, Some("1")),
    ];
    for (code, wait) in cases {
        let node = always(StatusCode::from_u16(code).expect("a status"));
        let network = Network::new(&[node], Topology::OneName, 1);
        let answer = send(&network, request(Method::GET, "http://service/", 0))
            .await
            .expect("an answer");
        let header = answer.headers().get(RETRY_AFTER);
        assert_eq!(header.and_then(|value| value.to_str().ok()), wait, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_works_on_when_its_caller_has_given_up() {
    let busy = Status::UntilCapacity {
        capacity: 1,
        above: StatusCode::TOO_MANY_REQUESTS,
    };
    let node = Node::steady(busy, Latency::Constant(Duration::from_secs(10)));
    let network = Network::new(&[node], Topology::OneName, 1);
    let first = send(&network, request(Method::POST, "http://service/", 0));
    let given_up = timeout(Duration::from_secs(1), first).await;
    assert!(given_up.is_err());
    // The first one still takes the only place, and is done with 9 s later.
    let begun = Instant::now();
    assert_eq!(status(&network, "http://service/").await, 429);
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    assert_eq!(network.traffic().server_time, Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_call_counts_as_perhaps_executed_twice_only_if_it_may_be() {
    let cases = [
        (Method::POST, 500, 1),
        (Method::POST, 200, 1),
        (Method::POST, 503, 0),
        (Method::POST, 429, 0),
        (Method::POST, 400, 0),
        (Method::PUT, 500, 0),
        (Method::GET, 500, 0),
    ];
    for (method, code, twice) in cases {
        let node = always(StatusCode::from_u16(code).expect("a status"));
        let network = Network::new(&[node], Topology::OneName, 1);
        for _ in 0..3 {
            let request = request(method.clone(), "http://service/", 0);
            send(&network, request).await.expect("an answer");
        }
        // Another call is another matter.
        let other = request(method.clone(), "http://service/", 1);
        send(&network, other).await.expect("an answer");
        let traffic = network.traffic();
        assert_eq!(traffic.perhaps_twice, twice, "{method} {code}");
        assert_eq!(traffic.attempts, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_sent_again_while_the_first_is_worked_on_may_be_executed_twice() {
    let network = Network::new(
        &[always(StatusCode::TOO_MANY_REQUESTS)],
        Topology::OneName,
        1,
    );
    let post = || send(&network, request(Method::POST, "http://service/", 0));
    let given_up = timeout(Duration::from_millis(50), post()).await;
    assert!(given_up.is_err());
    post().await.expect("an answer");
    assert_eq!(network.traffic().perhaps_twice, 1);
}
