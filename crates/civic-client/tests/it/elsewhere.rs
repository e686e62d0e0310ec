//! What one endpoint has not taken goes to another one at once.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use civic_client::balance::{BreakerPolicy, Endpoint, StaticEndpoints};
use civic_client::layer::{AttemptTimeoutLayer, BalanceLayer, CollectBodyLayer, RetryLayer};
use civic_client::{
    Body, Error, ErrorKind, NotRetried, PeerMemory, RetryBudget, RetryPolicy, ServiceClient,
};
use civic_testkit::contract::assert_ready_before_call_with;
use civic_testkit::upstream::{Step, Upstream};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceBuilder, service_fn};

use crate::support::fleet::{Does, Fleet, client};
use crate::support::{bare, ends, exact};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

const WELL: Does = Does::Answer(200, MS);

fn balanced(fleet: &Fleet) -> ServiceClient {
    client(fleet, BalanceLayer::new(fleet.endpoints()))
}

fn received(fleet: &Fleet, names: &[&str]) -> usize {
    names.iter().map(|name| fleet.received(name)).sum()
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_cannot_be_reached_is_left_for_another_one_within_the_attempt() {
    let fleet = Fleet::new([("a", Does::Refuse(MS)), ("b", WELL)]);
    let client = balanced(&fleet);
    for _ in 0..20 {
        let start = Instant::now();
        let answer = client.post("/").json(&1).send().await.unwrap();
        assert_eq!(answer.attempts(), 1);
        assert!(start.elapsed() < 10 * MS, "{:?}", start.elapsed());
        // So that a probe is due.
        sleep(90 * SECOND).await;
    }
    assert_eq!(fleet.received("b"), 20);
    assert!(fleet.received("a") > 0, "the other one was met");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_cannot_be_reached_attracts_no_load() {
    let fleet = Fleet::new([("a", Does::Refuse(MS)), ("b", WELL)]);
    let client = balanced(&fleet);
    let start = Instant::now();
    for _ in 0..1000 {
        client.post("/").json(&1).send().await.unwrap();
    }
    // The first one, and a probe.
    assert!(start.elapsed() < 2 * SECOND, "{:?}", start.elapsed());
    assert!(fleet.received("a") <= 3, "{}", fleet.received("a"));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_tries_at_most_three_endpoints_and_then_the_retry_waits() {
    let refuse = Does::Refuse(Duration::ZERO);
    let names = ["a", "b", "c", "d", "e"];
    let fleet = Fleet::new(names.map(|name| (name, refuse)));
    let client = balanced(&fleet);
    let start = Instant::now();
    let error = client
        .post("/")
        .json(&1)
        .retries(0)
        .send()
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Connect, 1));
    assert_eq!(received(&fleet, &names), 3);
    assert!(start.elapsed() < 10 * MS);

    let fleet = Fleet::new(names.map(|name| (name, refuse)));
    let client = balanced(&fleet);
    let error = ends(client.post("/").json(&1).send()).await.unwrap_err();
    assert_eq!(error.attempts(), 3);
    assert_eq!(error.not_retried(), Some(NotRetried::Exhausted));
    // Three, the other two, and one that was used: none is tried twice without a wait.
    assert_eq!(received(&fleet, &names), 6);
    // 500 ms and 1 s, a fifth less at the least.
    assert!(start.elapsed() >= 1200 * MS, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_has_asked_for_time_or_is_shut_is_no_way_out() {
    let strict = BreakerPolicy::new().with_consecutive_failures(1);
    let cases = [
        (Does::Answer(500, MS), strict),
        (Does::Pause(503, 60), BreakerPolicy::new()),
    ];
    for (sick, policy) in cases {
        let fleet = Fleet::new([("a", WELL), ("b", sick)]);
        let layer = BalanceLayer::new(fleet.endpoints()).with_breaker(policy);
        let client = client(&fleet, layer);
        let get = || client.get("/").retries(0).send();
        while fleet.received("b") == 0 {
            let _ = get().await;
        }
        fleet.now("a", Does::Refuse(Duration::ZERO));
        assert_eq!(get().await.unwrap_err().kind(), ErrorKind::Connect);
        assert_eq!(fleet.received("b"), 1, "{sick:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeout_of_an_attempt_is_for_all_of_its_endpoints() {
    let slow = Does::Refuse(6 * SECOND);
    let fleet = Fleet::new([("a", slow), ("b", slow), ("c", slow)]);
    let client = balanced(&fleet);
    let start = Instant::now();
    let error = ends(client.post("/").json(&1).retries(0).send()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(start.elapsed(), 10 * SECOND);
    assert_eq!(received(&fleet, &["a", "b", "c"]), 2);
}

/// How many endpoints get a request whose exchanges end with the error that `fail` makes.
async fn tried(fail: fn() -> Error, body: Body) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let peer = service_fn(move |request: Request<Body>| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            // A transport that has begun to send.
            let _ = request.into_body().frame().await;
            Err::<Response<Bytes>, _>(fail())
        }
    });
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new(RetryPolicy::new().with_retries(0)))
        .layer(AttemptTimeoutLayer::default())
        .layer(BalanceLayer::new(
            StaticEndpoints::parse("a,b,c,d").unwrap(),
        ))
        .service(peer);
    let client = bare("http://service").build_over(stack).unwrap();
    client.put("/").body(body).send().await.unwrap_err();
    count.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn only_what_was_certainly_never_sent_goes_to_another_endpoint() {
    let whole = || Body::from("abc");
    assert_eq!(tried(|| Error::new(ErrorKind::Connect), whole()).await, 3);
    let others: [fn() -> Error; 5] = [
        || Error::new(ErrorKind::Transport),
        || Error::new(ErrorKind::Timeout),
        // No endpoint would take these.
        || Error::new(ErrorKind::Certificate),
        || Error::new(ErrorKind::Request),
        || Error::new(ErrorKind::MissingCredentials),
    ];
    for fail in others {
        assert_eq!(tried(fail, whole()).await, 1, "{}", fail());
    }
    let stream = Body::stream(Full::from("abc"));
    let connect: fn() -> Error = || Error::new(ErrorKind::Connect);
    assert_eq!(
        tried(connect, stream).await,
        1,
        "the stream cannot come again"
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_503_with_retry_after_the_first_retry_goes_to_another_endpoint_at_once() {
    // Also where a call without a deadline would not wait so long.
    for seconds in [5, 30] {
        let fleet = Fleet::new([("a", Does::Pause(503, seconds)), ("b", WELL)]);
        let client = balanced(&fleet);
        let mut most = 0;
        for _ in 0..20 {
            let start = Instant::now();
            let answer = client.post("/").json(&1).send().await.unwrap();
            assert!(start.elapsed() < 10 * MS, "{:?}", start.elapsed());
            most = most.max(answer.attempts());
        }
        assert_eq!((most, fleet.received("a")), (2, 1), "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_of_an_endpoint_that_is_closing_sends_the_call_to_another_one_at_once() {
    let words =
        r#"{"error":"Service Unavailable","message":"Service Unavailable","statusCode":503}"#;
    let closing = Step::status(503).header("connection", "close");
    let peers = [
        Upstream::start([closing.with_json(words)]).await,
        Upstream::start([Step::status(204)]).await,
    ];
    let places = peers.each_ref().map(|peer| peer.addr().to_string());
    let endpoints = places.map(|place| Endpoint::new(&place).unwrap());
    let client = exact("http://roll").endpoints(StaticEndpoints::new(endpoints).unwrap());
    let client = client.build().unwrap();
    let mut most = 0;
    while most < 2 {
        let start = Instant::now();
        let answer = client.post("/").json(&1).send().await.unwrap();
        assert!(start.elapsed() < 100 * MS, "{:?}", start.elapsed());
        most = most.max(answer.attempts());
    }
}

#[tokio::test(start_paused = true)]
async fn where_the_second_endpoint_asks_for_time_as_well_it_is_waited_for() {
    let busy = Does::Pause(503, 2);
    for names in [&["a", "b"][..], &["a", "b", "c", "d"]] {
        let fleet = Fleet::new(names.iter().map(|name| (*name, busy)));
        let client = balanced(&fleet);
        let start = Instant::now();
        let error = ends(client.post("/").json(&1).send()).await.unwrap_err();
        assert_eq!(error.attempts(), 3);
        assert_eq!(error.not_retried(), Some(NotRetried::Exhausted));
        assert_eq!(received(&fleet, names), 3);
        let took = start.elapsed();
        assert!(2 * SECOND <= took && took < 3 * SECOND, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_at_another_endpoint_is_charged_to_the_budget() {
    let fleet = Fleet::new([("a", Does::Pause(503, 2)), ("b", Does::Pause(503, 2))]);
    let peer = fleet.clone();
    let budget = RetryBudget::new(0.0, 0).unwrap();
    let policy = RetryPolicy::new().with_peer_memory(PeerMemory::new().with_budget(budget));
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new(policy))
        .layer(BalanceLayer::new(fleet.endpoints()))
        .layer(CollectBodyLayer::new())
        .service(service_fn(move |request| peer.clone().answer(request)));
    let client = bare("http://service").build_over(stack).unwrap();
    let error = client.post("/").json(&1).send().await.unwrap_err();
    assert_eq!(error.not_retried(), Some(NotRetried::Budget));
    assert_eq!(received(&fleet, &["a", "b"]), 1);
}

#[tokio::test]
async fn over_sockets_a_call_does_not_notice_an_endpoint_that_refuses() {
    let refusing = Upstream::refusing().await.to_string();
    let well = Upstream::start([Step::status(204)]).await;
    let endpoints = [refusing, well.addr().to_string()];
    let endpoints = endpoints.map(|place| Endpoint::new(&place).unwrap());
    for _ in 0..8 {
        // It knows nothing yet, and begins with either.
        let client = exact("http://roll").retries(0);
        let client = client.endpoints(StaticEndpoints::new(endpoints.clone()).unwrap());
        let client = client.build().unwrap();
        client.post("/").json(&1).send().await.unwrap();
    }
    assert_eq!(well.attempts().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn each_further_endpoint_is_called_only_by_what_was_polled_ready_anew() {
    let calls = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&calls);
    let refuse = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Err::<Response<Bytes>, _>(Error::new(ErrorKind::Connect))
    };
    let layer = BalanceLayer::new(StaticEndpoints::parse("a,b,c").unwrap());
    let request = Request::new(Body::from("1"));
    assert_ready_before_call_with(layer, request, refuse).await;
    assert!(calls.load(Ordering::SeqCst) > 3, "it tries others");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_again_keeps_the_outcome_that_there_was() {
    /// It can be called once.
    #[derive(Clone)]
    struct Once(Arc<AtomicUsize>);

    impl Service<Request<Body>> for Once {
        type Response = Response<Bytes>;
        type Error = Error;
        type Future = Ready<Result<Response<Bytes>, Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(match self.0.load(Ordering::SeqCst) {
                0 => Ok(()),
                _ => Err(Error::new(ErrorKind::Overloaded)),
            })
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            self.0.fetch_add(1, Ordering::SeqCst);
            ready(Err(Error::new(ErrorKind::Connect)))
        }
    }

    let layer = BalanceLayer::new(StaticEndpoints::parse("a,b").unwrap());
    let calls = Arc::<AtomicUsize>::default();
    let stack = ServiceBuilder::new()
        .layer(layer)
        .service(Once(Arc::clone(&calls)));
    let client = bare("http://service").build_over(stack).unwrap();
    let error = client.get("/").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert_eq!(calls.load(Ordering::SeqCst), 1, "it was not ready");
}
