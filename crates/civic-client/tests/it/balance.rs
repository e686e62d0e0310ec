//! Several endpoints: which one an attempt goes to, alone and in the stack.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use civic_client::balance::{BreakerPolicy, Discover, Endpoint, StaticEndpoints, WhenAllOpen};
use civic_client::layer::{AttemptTimeoutLayer, BalanceLayer, CollectBodyLayer, RetryLayer};
use civic_client::{
    Body, Error, ErrorKind, NotRetried, RetryPolicy, ServiceClient, Transmission, TransportConfig,
};
use civic_testkit::upstream::{Step, Upstream};
use http::header::HOST;
use http::{Method, Request, Response};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::fleet::{Does, Fleet, client};
use crate::support::names::{Names, client as by_name, peers, received};
use crate::support::{bare, call, ends, exact};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// How the calls of a while ended.
struct Ended {
    calls: usize,
    succeeded: usize,
    p99: Duration,
}

/// Makes a GET every 10 ms for this time.
async fn load(client: &ServiceClient, time: Duration) -> Ended {
    let start = Instant::now();
    let mut calls = JoinSet::new();
    while start.elapsed() < time {
        let client = client.clone();
        calls.spawn(async move {
            let start = Instant::now();
            let result = client.get("/").send().await;
            (result.is_ok(), start.elapsed())
        });
        sleep(10 * MS).await;
    }
    let ended = calls.join_all().await;
    let mut times: Vec<_> = ended.iter().map(|(_, took)| *took).collect();
    times.sort_unstable();
    Ended {
        calls: ended.len(),
        succeeded: ended.iter().filter(|(is_ok, _)| *is_ok).count(),
        p99: times[times.len() * 99 / 100],
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_three_swallows_everything_one_fails_at_once_and_hardly_a_call_notices() {
    let well = Does::Answer(200, 50 * MS);
    let quiet = Fleet::new([("a", well), ("b", well), ("c", well)]);
    let quiet = load(
        &client(&quiet, BalanceLayer::new(quiet.endpoints())),
        60 * SECOND,
    )
    .await;
    assert_eq!(quiet.succeeded, quiet.calls);

    let fleet = Fleet::new([("a", well), ("b", well), ("c", well)]);
    let client = client(&fleet, BalanceLayer::new(fleet.endpoints()));
    // It is met in the middle of its work, and from the start.
    load(&client, 5 * SECOND).await;
    fleet.now("a", Does::Swallow);
    fleet.now("b", Does::Answer(500, MS));
    let sick = load(&client, 60 * SECOND).await;
    let percent = 100.0 * sick.succeeded as f64 / sick.calls as f64;
    assert!(percent >= 99.5, "{percent} % of {} calls", sick.calls);
    assert!(
        sick.p99 <= 2 * quiet.p99,
        "{:?} against {:?}",
        sick.p99,
        quiet.p99
    );

    for name in ["a", "b"] {
        fleet.now(name, well);
    }
    // The longest wait before a probe.
    load(&client, 60 * SECOND).await;
    let before = ["a", "b", "c"].map(|name| fleet.received(name));
    load(&client, 10 * SECOND).await;
    for (name, before) in ["a", "b", "c"].into_iter().zip(before) {
        let share = fleet.received(name) - before;
        assert!(share > 200, "{name} got {share} of 1000");
    }
}

#[tokio::test(start_paused = true)]
async fn sick_from_the_first_call_on_is_noticed_as_fast() {
    let fleet = Fleet::new([
        ("a", Does::Swallow),
        ("b", Does::Answer(500, MS)),
        ("c", Does::Answer(200, 50 * MS)),
    ]);
    let client = client(&fleet, BalanceLayer::new(fleet.endpoints()));
    let sick = load(&client, 60 * SECOND).await;
    assert!(
        sick.succeeded * 1000 >= sick.calls * 995,
        "{}",
        sick.succeeded
    );
    assert!(sick.p99 <= 2 * 51 * MS, "{:?}", sick.p99);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_comes_back_is_used_within_a_second_and_a_half_after_a_short_outage() {
    let fleet = Fleet::new([
        ("a", Does::Answer(200, 50 * MS)),
        ("b", Does::Answer(500, MS)),
    ]);
    let client = client(&fleet, BalanceLayer::new(fleet.endpoints()));
    while fleet.received("b") == 0 {
        load(&client, 10 * MS).await;
    }
    fleet.now("b", Does::Answer(200, 50 * MS));
    let before = fleet.received("b");
    load(&client, 1600 * MS).await;
    assert!(fleet.received("b") > before);
}

#[tokio::test(start_paused = true)]
async fn beside_calls_that_can_be_repeated_no_other_call_finds_out_whether_an_endpoint_is_well() {
    let fleet = Fleet::new([
        ("a", Does::Answer(500, MS)),
        ("b", Does::Answer(200, 20 * MS)),
    ]);
    let client = client(&fleet, BalanceLayer::new(fleet.endpoints()));
    // A reader meets the sick one first.
    while fleet.received("a") == 0 {
        client.get("/").send().await.unwrap();
    }
    let before = fleet.received("a");
    for _ in 0..1000 {
        client.get("/").send().await.unwrap();
        client.post("/").json(&1).send().await.unwrap();
    }
    assert!(fleet.received("a") > before, "it was probed");
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_another_endpoint() {
    for sick in [Does::Answer(500, MS), Does::Answer(503, MS), Does::Swallow] {
        let fleet = Fleet::new([("a", sick), ("b", Does::Answer(200, MS))]);
        let client = client(&fleet, BalanceLayer::new(fleet.endpoints()));
        for _ in 0..20 {
            ends(client.get("/").send()).await.unwrap();
            // So that a probe is due.
            sleep(90 * SECOND).await;
        }
        assert_eq!(fleet.received("b"), 20);
        assert!(fleet.received("a") > 0, "the sick one was met");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_not_avoided_for_what_it_decided_about_the_caller() {
    let busy = Does::Pause(409, 1);
    let fleet = Fleet::new([("a", busy), ("b", busy)]);
    let client = client(&fleet, BalanceLayer::new(fleet.endpoints()));
    let mut met_again = 0;
    for _ in 0..20 {
        let before = fleet.received("a");
        let request = client.post("/").json(&1).idempotency_key("k").retries(1);
        ends(request.send()).await.unwrap_err();
        met_again += usize::from(fleet.received("a") - before != 1);
    }
    assert!(met_again > 0, "a retry may go to the same one");
    assert_eq!(fleet.received("a") + fleet.received("b"), 40);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_must_not_be_sent_twice_is_not_sent_to_another_endpoint_either() {
    let sick = Does::Answer(500, MS);
    let fleet = Fleet::new([("a", sick), ("b", sick)]);
    let client = client(&fleet, BalanceLayer::new(fleet.endpoints()));
    let error = client.post("/").json(&1).send().await.unwrap_err();
    assert_eq!(error.not_retried(), Some(NotRetried::NotReplaySafe));
    assert_eq!(fleet.received("a") + fleet.received("b"), 1);
}

#[tokio::test(start_paused = true)]
async fn outside_of_the_retries_every_attempt_would_meet_the_same_endpoint() {
    let fleet = Fleet::new([("a", Does::Answer(500, MS)), ("b", Does::Answer(500, MS))]);
    let peer = fleet.clone();
    let wrong = ServiceBuilder::new()
        .layer(BalanceLayer::new(fleet.endpoints()))
        .layer(RetryLayer::new(RetryPolicy::new()))
        .layer(CollectBodyLayer::new())
        .service(service_fn(move |request| peer.clone().answer(request)));
    let client = bare("http://service").build_over(wrong).unwrap();
    client.get("/").send().await.unwrap_err();
    let received = [fleet.received("a"), fleet.received("b")];
    assert!(received == [3, 0] || received == [0, 3], "{received:?}");

    let right = Fleet::new([("a", Does::Answer(500, MS)), ("b", Does::Answer(500, MS))]);
    let client = self::client(&right, BalanceLayer::new(right.endpoints()));
    client.get("/").send().await.unwrap_err();
    assert!(right.received("a") > 0 && right.received("b") > 0);
}

#[tokio::test(start_paused = true)]
async fn outside_of_the_body_an_endpoint_whose_bodies_never_end_is_noticed_and_inside_it_is_not() {
    let met = |is_outside| async move {
        let fleet = Fleet::new([("a", Does::Drip), ("b", Does::Answer(200, 20 * MS))]);
        let peer = fleet.clone();
        let peer = service_fn(move |request| peer.clone().answer(request));
        let layer = BalanceLayer::new(fleet.endpoints()).with_seed(2026);
        let attempt = ServiceBuilder::new()
            .layer(RetryLayer::new(RetryPolicy::new().with_retries(0)))
            .layer(AttemptTimeoutLayer::default());
        let client = bare("http://service");
        let client = if is_outside {
            client.build_over(
                attempt
                    .layer(layer)
                    .layer(CollectBodyLayer::new())
                    .service(peer),
            )
        } else {
            client.build_over(
                attempt
                    .layer(CollectBodyLayer::new())
                    .layer(layer)
                    .service(peer),
            )
        };
        load(&client.unwrap(), 20 * SECOND).await;
        fleet.received("a")
    };
    let (right, wrong) = (met(true).await, met(false).await);
    assert!(right < 20, "{right} of 2000");
    assert!(wrong > 1000, "{wrong} of 2000");
}

#[tokio::test(start_paused = true)]
async fn inside_of_the_timeout_an_endpoint_that_swallows_requests_has_failed() {
    let fleet = Fleet::new([("a", Does::Swallow)]);
    let fail_fast = BreakerPolicy::new()
        .with_consecutive_failures(1)
        .with_when_all_open(WhenAllOpen::FailFast);
    let layer = BalanceLayer::new(fleet.endpoints()).with_breaker(fail_fast);
    let client = client(&fleet, layer);
    let error = ends(client.post("/").json(&1).send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let error = client.post("/").json(&1).send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);
    assert_eq!(error.transmission(), Transmission::NotSent);
    let wait = error.retry_after().unwrap();
    assert!(SECOND <= wait && wait <= 3 * SECOND / 2, "{wait:?}");
    assert_eq!(fleet.received("a"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_layer_works_alone_over_any_service() {
    let service = BalanceLayer::new(StaticEndpoints::parse("a:1,b:2").unwrap());
    let mut service = ServiceBuilder::new().layer(service).service(service_fn(
        |request: Request<()>| async move {
            let host = request.headers()[HOST].to_str().unwrap().to_owned();
            Ok::<_, Infallible>(Response::new((request.uri().to_string(), host)))
        },
    ));
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let request = Request::get("http://service:3020/x?y=z").body(()).unwrap();
        let response = service.ready().await.unwrap().call(request).await;
        met.insert(response.unwrap().into_body());
    }
    let expected = ["http://a:1/x?y=z", "http://b:2/x?y=z"];
    let expected = expected.map(|url| (url.to_owned(), "service:3020".to_owned()));
    assert_eq!(met, expected.into());
}

#[tokio::test(start_paused = true)]
async fn what_is_discovered_is_followed_by_the_next_attempt() {
    #[derive(Clone)]
    struct Changing(Arc<Mutex<Arc<[Endpoint]>>>);

    impl Discover for Changing {
        fn endpoints(&self) -> Arc<[Endpoint]> {
            Arc::clone(&self.0.lock().unwrap())
        }
    }

    let well = Does::Answer(200, MS);
    let fleet = Fleet::new([("a", well), ("b", well)]);
    let changing = Changing(Arc::new(Mutex::new(Arc::new([]))));
    let client = client(&fleet, BalanceLayer::new(changing.clone()));
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.post("/").json(&1).send().await }
    });
    sleep(MS).await;
    // The call that found none is repeated, whatever its method: it was never sent.
    *changing.0.lock().unwrap() = Arc::new([Endpoint::new("a").unwrap()]);
    calling.await.unwrap().unwrap();
    for (name, count) in [("a", 11), ("b", 10)] {
        *changing.0.lock().unwrap() = Arc::new([Endpoint::new(name).unwrap()]);
        for _ in 0..10 {
            client.get("/").send().await.unwrap();
        }
        assert_eq!(fleet.received(name), count);
    }
    *changing.0.lock().unwrap() = Arc::new([]);
    let error = client.get("/").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(
        error.to_string().contains("no endpoint is known"),
        "{error}"
    );
}

fn of(peers: &[Upstream]) -> StaticEndpoints {
    let places = peers.iter().map(|peer| peer.addr().to_string());
    StaticEndpoints::new(places.map(|place| Endpoint::new(&place).unwrap())).unwrap()
}

/// Reads a stream as far as it comes.
async fn read_stream(client: &ServiceClient) -> Result<(), Error> {
    let request = client.get("/").idle_timeout(SECOND);
    let mut answer = request.send_stream().await?;
    while ends(answer.chunk()).await?.is_some() {}
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_breaks_every_stream_is_one_that_fails() {
    let whole = Step::status(200).body("12345");
    for broken in [Step::truncated_body("12345"), Step::hang_in_body()] {
        let peers = [
            Upstream::start([broken.clone()]).await,
            Upstream::start([whole.clone()]).await,
        ];
        let client = exact("http://roll:3020").endpoints(of(&peers)).build();
        let client = client.unwrap();
        for _ in 0..50 {
            let _ = read_stream(&client).await;
        }
        // A probe now and then may follow.
        let received = peers.each_ref().map(|peer| peer.attempts().len());
        assert!(received[0] <= 10, "{received:?}");

        let policy = BreakerPolicy::new().with_when_all_open(WhenAllOpen::FailFast);
        let client = exact(&peers[0].url()).retries(0);
        let client = client.transport(TransportConfig::new().with_breaker(policy));
        let client = client.build().unwrap();
        let mut kinds = Vec::new();
        for _ in 0..10 {
            kinds.push(read_stream(&client).await.unwrap_err().kind());
        }
        assert!(kinds[5..].contains(&ErrorKind::CircuitOpen), "{kinds:?}");

        let client = exact(&peers[1].url()).build().unwrap();
        for _ in 0..10 {
            read_stream(&client).await.unwrap();
        }
    }
}

#[tokio::test]
async fn requests_name_the_service_and_go_to_its_endpoints() {
    let peers = [
        Upstream::start([Step::status(204)]).await,
        Upstream::start([Step::status(204)]).await,
    ];
    let client = exact("http://roll:3020/v1").endpoints(of(&peers)).build();
    let client = client.unwrap();
    let calls = (0..20).map(|_| {
        let client = client.clone();
        async move { call(&client, &Method::POST).await }
    });
    for ended in calls.collect::<JoinSet<_>>().join_all().await {
        ended.unwrap();
    }
    for peer in &peers {
        let attempts = peer.attempts();
        assert!(!attempts.is_empty());
        for attempt in attempts {
            assert_eq!(attempt.header("host"), Some("roll:3020"));
            assert_eq!(attempt.target, "/v1/things/7");
        }
    }
}

#[tokio::test]
async fn an_endpoint_with_a_host_of_its_own_is_spoken_to_by_that() {
    let peer = Upstream::start([Step::status(204)]).await;
    let place = peer.addr().to_string();
    let endpoint = Endpoint::new(&place).unwrap().with_own_host();
    let endpoints = StaticEndpoints::new([endpoint]).unwrap();
    let client = exact("http://roll").endpoints(endpoints).build().unwrap();
    call(&client, &Method::GET).await.unwrap();
    assert_eq!(peer.attempts()[0].header("host"), Some(&*place));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_asks_for_time_is_left_alone_and_the_others_are_not() {
    let busy = Step::status(503).header("retry-after", "30");
    let peers = [
        Upstream::start([busy]).await,
        Upstream::start([Step::status(204)]).await,
    ];
    let client = exact("http://roll").endpoints(of(&peers)).build().unwrap();
    while received(&peers)[0] == 0 {
        let _ = ends(client.get("/").retries(0).send()).await;
    }
    sleep(29 * SECOND).await;
    for _ in 0..40 {
        call(&client, &Method::POST).await.unwrap();
    }
    assert_eq!(received(&peers)[0], 1);
}

#[tokio::test]
async fn where_connecting_fails_the_error_names_the_endpoint() {
    let refusing = Upstream::refusing().await;
    let place = refusing.to_string();
    let endpoints = StaticEndpoints::parse(&place).unwrap();
    let client = exact("http://roll").retries(0).endpoints(endpoints).build();
    let error = call(&client.unwrap(), &Method::GET).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains(&place), "{error}");
}

#[tokio::test]
async fn endpoints_belong_to_the_default_stack() {
    let endpoints = StaticEndpoints::parse("a:1").unwrap();
    let service = service_fn(|_: Request<Body>| async {
        Err::<Response<bytes::Bytes>, _>(Error::new(ErrorKind::Connect))
    });
    let error = bare("http://roll").endpoints(endpoints).build_over(service);
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("endpoints"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_addresses_of_a_name_are_balanced_by_the_same_rules() {
    let well = Step::status(204).delay(5 * MS);
    for sick in [Step::status(500), Step::hang(), Step::fin()] {
        let peers = peers([sick, well.clone(), well.clone()]).await;
        let client = by_name(&peers[0], &Names::local([1, 2, 3]));
        let calls = (0..10).map(|_| {
            let client = client.clone();
            async move {
                for _ in 0..20 {
                    call(&client, &Method::GET).await.unwrap();
                }
            }
        });
        calls.collect::<JoinSet<_>>().join_all().await;
        let received = received(&peers);
        assert!(received[0] <= 20, "it attracts no load: {received:?}");
        assert_eq!(received[1] + received[2], 200);
        assert!(received[1] > 50 && received[2] > 50, "{received:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_address_is_tried_however_often_it_failed_unless_the_breaker_says_otherwise() {
    let peer = Upstream::start([Step::status(500)]).await;
    let client = exact(&peer.url()).retries(0).build().unwrap();
    for _ in 0..20 {
        call(&client, &Method::GET).await.unwrap_err();
    }
    assert_eq!(peer.attempts().len(), 20);

    let peer = Upstream::start([Step::status(500)]).await;
    let policy = BreakerPolicy::new().with_when_all_open(WhenAllOpen::FailFast);
    let client = exact(&peer.url())
        .retries(0)
        .transport(TransportConfig::new().with_breaker(policy))
        .build()
        .unwrap();
    let kinds = [(5, ErrorKind::Status), (15, ErrorKind::CircuitOpen)];
    for (calls, kind) in kinds {
        for _ in 0..calls {
            let error = call(&client, &Method::GET).await.unwrap_err();
            assert_eq!(error.kind(), kind);
        }
    }
    assert_eq!(peer.attempts().len(), 5);
}
