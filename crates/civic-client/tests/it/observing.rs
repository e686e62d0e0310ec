//! What an observer is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use civic_client::balance::StaticEndpoints;
use civic_client::layer::{AttemptTimeoutLayer, CollectBodyLayer, ObserveLayer, RetryLayer};
use civic_client::observe::{
    AttemptEnd, BreakerEvent, CallEnd, CallInfo, Ending, Observer, PoolChange, PoolEvent,
};
use civic_client::{
    Body, ClientService, Error, ErrorKind, Jitter, NotRetried, RetryDecision, RetryEvent,
    RetryPolicy, Transport, TransportConfig,
};
use civic_testkit::upstream::{Step, Upstream};
use http::{Method, Request};
use tokio::time::sleep;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_layer::layer_fn;

use crate::support::{bare, call, ends, exact};

/// Writes down what it is told.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn of(call: &CallInfo<'_>) -> String {
    assert!(call.correlation_id.is_some());
    let template = call.template.map(ToString::to_string).unwrap_or_default();
    assert!(call.authority.unwrap().as_str().starts_with("127.0.0.1:"));
    format!("{} {template}", call.method_name())
}

impl Observer for Notes {
    fn call_started(&self, call: &CallInfo<'_>) {
        self.note(format!("call {}", of(call)));
    }

    fn call_ended(&self, _: &CallInfo<'_>, end: &CallEnd) {
        let CallEnd {
            ending,
            attempts,
            took,
            ..
        } = end;
        self.note(format!(
            "call ended {ending:?} after {attempts} in {} ms",
            took.as_millis()
        ));
    }

    fn attempt_started(&self, call: &CallInfo<'_>, number: u32) {
        self.note(format!("attempt {number} {}", of(call)));
    }

    fn attempt_ended(&self, _: &CallInfo<'_>, end: &AttemptEnd) {
        let AttemptEnd {
            ending,
            number,
            took,
            ..
        } = end;
        self.note(format!(
            "attempt {number} ended {ending:?} in {} ms",
            took.as_millis()
        ));
    }

    fn retry_decided(&self, event: &RetryEvent<'_>) {
        assert!(event.authority.is_some() && event.correlation_id.is_some());
        self.note(format!("{} {:?}", event.attempt, event.decision));
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_the_call_its_attempts_and_its_retries_in_their_order() {
    let peer = Upstream::start([Step::status(503), Step::hang(), Step::json("1")]).await;
    let notes = Arc::new(Notes::default());
    let client = exact(&peer.url())
        .observer(Arc::clone(&notes))
        .build()
        .unwrap();
    let request = client.get("/things/{id}").param("id", 7);
    ends(request.fetch::<u8>()).await.unwrap();
    assert_eq!(
        notes.take(),
        [
            "call GET /things/{id}",
            "attempt 1 GET /things/{id}",
            "attempt 1 ended Answered(503) in 0 ms",
            "1 Retry { wait: 500ms }",
            "attempt 2 GET /things/{id}",
            "attempt 2 ended Failed(Timeout) in 10000 ms",
            "2 Retry { wait: 1s }",
            "attempt 3 GET /things/{id}",
            "attempt 3 ended Answered(200) in 0 ms",
            "call ended Answered(200) after 3 in 11500 ms",
        ]
    );
}

#[tokio::test]
async fn a_call_that_is_cancelled_has_ended_too() {
    let peer = Upstream::start([Step::hang()]).await;
    let notes = Arc::new(Notes::default());
    let client = exact(&peer.url())
        .observer(Arc::clone(&notes))
        .build()
        .unwrap();
    {
        let mut going = Box::pin(call(&client, &Method::DELETE));
        tokio::select! {
            _ = &mut going => panic!("it hangs"),
            () = peer.received(1) => {}
        }
    }
    let ended: Vec<_> = notes.take().into_iter().skip(2).collect();
    assert_eq!(ended.len(), 2, "{ended:?}");
    for (line, what) in ended
        .iter()
        .zip(["attempt 1 ended Cancelled", "call ended Cancelled"])
    {
        assert!(line.starts_with(what), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_passed_on_is_a_call_without_attempts() {
    let peer = Upstream::start([Step::status(204).delay(Duration::from_secs(5))]).await;
    let notes = Arc::new(Notes::default());
    let builder = exact(&peer.url()).max_in_flight(1);
    let client = builder.observer(Arc::clone(&notes)).build().unwrap();
    let first = tokio::spawn({
        let client = client.clone();
        async move { call(&client, &Method::GET).await }
    });
    peer.received(1).await;
    let _ = notes.take();
    let request = client.get("/").deadline(Duration::from_secs(1));
    request.send().await.unwrap_err();
    assert_eq!(
        notes.take(),
        [
            "call GET /",
            "call ended Failed(Deadline) after 0 in 1000 ms"
        ]
    );
    first.await.unwrap().unwrap();
}

/// Counts decisions.
#[derive(Debug, Default)]
struct Decisions(Mutex<Vec<(u32, Option<u16>, Option<ErrorKind>, RetryDecision)>>);

impl Observer for Decisions {
    fn retry_decided(&self, event: &RetryEvent<'_>) {
        let template = event.template.map(ToString::to_string);
        assert_eq!(template.as_deref(), Some("/things/{id}"));
        let status = event.status.map(|status| status.as_u16());
        let decision = (event.attempt, status, event.error, event.decision);
        self.0.lock().unwrap().push(decision);
    }
}

#[tokio::test(start_paused = true)]
async fn the_observer_of_a_policy_is_told_every_decision_instead_of_that_of_the_client() {
    let peer = Upstream::start([Step::reset(), Step::status(502), Step::status(404)]).await;
    let decisions = Arc::new(Decisions::default());
    let notes = Arc::new(Notes::default());
    let policy = RetryPolicy::new()
        .with_jitter(Jitter::None)
        .with_observer(Arc::clone(&decisions));
    let builder = exact(&peer.url()).retry(policy);
    // A pair of observers is one, too.
    let client = builder.observer((Arc::clone(&notes), Arc::clone(&notes)));
    let client = client.build().unwrap();
    call(&client, &Method::GET).await.unwrap_err();
    let wait = |millis| RetryDecision::Retry {
        wait: Duration::from_millis(millis),
    };
    let stop = RetryDecision::Stop(NotRetried::NotRetryable);
    assert_eq!(
        *decisions.0.lock().unwrap(),
        [
            (1, None, Some(ErrorKind::Transport), wait(500)),
            (2, Some(502), None, wait(1000)),
            (3, Some(404), None, stop),
        ]
    );
    let noted = notes.take();
    assert!(
        noted.iter().all(|line| !line.contains("Retry")),
        "{noted:?}"
    );
    assert_eq!(noted.len(), 2 * 8, "each of the two is told all else");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_told_as_ended_at_its_end_and_as_it_ended() {
    let second = Duration::from_secs(1);
    let script = [
        Step::drip("12345", second),
        Step::hang_in_body(),
        Step::truncated_body("12345"),
        Step::drip("12345", second),
        Step::status(204),
    ];
    let peer = Upstream::start(script).await;
    let notes = Arc::new(Notes::default());
    let builder = exact(&peer.url()).observer(Arc::clone(&notes));
    let client = builder.build().unwrap();
    // Its end, its silence, its break, the reader's end, and nothing to read.
    for (reads, ending) in [
        (9, "Answered(200)"),
        (9, "Failed(Timeout)"),
        (9, "Failed(Transport)"),
        (1, "Cancelled"),
        (0, "Answered(204)"),
    ] {
        let request = client.get("/").deadline(second).idle_timeout(5 * second);
        let mut answer = request.send_stream().await.unwrap();
        let begun = notes.take();
        if reads > 0 {
            assert_eq!(begun, ["call GET /", "attempt 1 GET /"], "{ending}");
        }
        for _ in 0..reads {
            if !matches!(ends(answer.chunk()).await, Ok(Some(_))) {
                break;
            }
        }
        sleep(2 * second).await;
        drop(answer);
        let mut told = begun;
        told.extend(notes.take());
        let told: Vec<_> = told.iter().skip(2).collect();
        assert_eq!(told.len(), 2, "{ending}: {told:?}");
        assert!(
            told[0].starts_with(&format!("attempt 1 ended {ending} in ")),
            "{told:?}"
        );
        assert!(
            told[1].starts_with(&format!("call ended {ending} after 1 in ")),
            "{told:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cut_at_its_deadline_above_the_stack_has_failed() {
    let peer = Upstream::start([Step::status(204)]).await;
    let notes = Arc::new(Notes::default());
    // It knows of no deadline.
    let slow = layer_fn(|inner: ClientService| {
        service_fn(move |request: Request<Body>| {
            let inner = inner.clone();
            async move {
                sleep(Duration::from_secs(60)).await;
                inner.oneshot(request).await
            }
        })
    });
    let builder = exact(&peer.url()).observer(Arc::clone(&notes));
    let client = builder.layer_call(slow).build().unwrap();
    let request = client.get("/").deadline(Duration::from_secs(1));
    let error = ends(request.send()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    let told = notes.take();
    assert_eq!(told.len(), 2);
    assert!(
        told[1].starts_with("call ended Failed(Deadline) after 0 in 100"),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_comes_to_nothing_is_told_as_a_stop_alone() {
    let used_up = |seconds: &str| {
        Step::status(503)
            .header("x-ratelimit-limit", "100")
            .header("x-ratelimit-remaining", "0")
            .header("x-ratelimit-reset", seconds)
    };
    let peer = Upstream::start([used_up("30")]).await;
    let decisions = Arc::new(Decisions::default());
    let builder = exact(&peer.url()).observer(Arc::clone(&decisions));
    let client = builder.build().unwrap();
    let error = ends(call(&client, &Method::GET)).await.unwrap_err();
    assert_eq!(error.not_retried(), Some(NotRetried::RateLimited));
    let stop = RetryDecision::Stop(NotRetried::RateLimited);
    let told = std::mem::take(&mut *decisions.0.lock().unwrap());
    assert_eq!(told, [(1, Some(503), None, stop)]);
    assert_eq!(peer.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_before_its_first_attempt_is_told_as_a_stop() {
    let used_up = Step::status(429)
        .header("x-ratelimit-limit", "100")
        .header("x-ratelimit-reset", "30");
    let peer = Upstream::start([used_up]).await;
    let decisions = Arc::new(Decisions::default());
    let builder = exact(&peer.url()).observer(Arc::clone(&decisions));
    let client = builder.build().unwrap();
    ends(call(&client, &Method::GET)).await.unwrap_err();
    decisions.0.lock().unwrap().clear();
    let error = ends(call(&client, &Method::GET)).await.unwrap_err();
    assert_eq!(error.not_retried(), Some(NotRetried::RateLimited));
    let get = client.get("/things/{id}").param("id", 7);
    let error = get.deadline(Duration::from_millis(1)).send().await;
    assert_eq!(error.unwrap_err().not_retried(), Some(NotRetried::Deadline));
    let stop = |kind, reason| (0, None, Some(kind), RetryDecision::Stop(reason));
    assert_eq!(
        *decisions.0.lock().unwrap(),
        [
            stop(ErrorKind::RateLimited, NotRetried::RateLimited),
            stop(ErrorKind::Deadline, NotRetried::Deadline),
        ]
    );
    assert_eq!(peer.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_layer_works_in_a_stack_that_is_built_by_hand() {
    let peer = Upstream::start([Step::status(500)]).await;
    #[derive(Default)]
    struct Endings(Mutex<Vec<(&'static str, Ending)>>);
    impl Observer for Endings {
        fn call_ended(&self, _: &CallInfo<'_>, end: &CallEnd) {
            self.0.lock().unwrap().push(("call", end.ending));
        }

        fn attempt_ended(&self, _: &CallInfo<'_>, end: &AttemptEnd) {
            self.0.lock().unwrap().push(("attempt", end.ending));
        }
    }
    let endings = Arc::new(Endings::default());
    let stack = ServiceBuilder::new()
        .layer(ObserveLayer::of_calls(Arc::clone(&endings)))
        .layer(RetryLayer::new(RetryPolicy::new().with_retries(1)))
        .layer(ObserveLayer::of_attempts(Arc::clone(&endings)))
        .layer(AttemptTimeoutLayer::default())
        .layer(CollectBodyLayer::new())
        .service(Transport::default());
    let client = bare(&peer.url()).build_over(stack).unwrap();
    let error: Error = ends(client.get("/").send()).await.unwrap_err();
    assert_eq!(error.attempts(), 2);
    let failed = Ending::Answered(http::StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        *endings.0.lock().unwrap(),
        [("attempt", failed), ("attempt", failed), ("call", failed)]
    );
}

/// Writes down what happens to connections and breakers.
#[derive(Debug, Default)]
struct Wires(Mutex<Vec<String>>);

impl Wires {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Wires {
    fn breaker_changed(&self, event: &BreakerEvent<'_>) {
        let BreakerEvent { address, state, .. } = event;
        let peer = event.authority.host();
        let note = format!("{peer} {address:?} {}", state.as_str());
        self.0.lock().unwrap().push(note);
    }

    fn pool_changed(&self, event: &PoolEvent<'_>) {
        assert_eq!(event.authority.host(), "127.0.0.1");
        let has_address = matches!(event.change, PoolChange::Opened { .. } | PoolChange::Closed);
        assert_eq!(event.address.is_some(), has_address);
        self.0.lock().unwrap().push(format!("{:?}", event.change));
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_of_connections_and_of_waits_for_one() {
    let second = Duration::from_secs(1);
    let peer = Upstream::start([Step::status(204).delay(second)]).await;
    let wires = Arc::new(Wires::default());
    let config = TransportConfig::new().with_max_connections(1);
    let builder = exact(&peer.url()).transport(config);
    let client = builder.observer(Arc::clone(&wires)).build().unwrap();
    let (first, other) = tokio::join!(call(&client, &Method::GET), call(&client, &Method::GET));
    first.and(other).unwrap();
    assert_eq!(
        wires.take(),
        ["Opened { took: 0ns }", "Waited { took: 1s }"]
    );
    // An idle connection is closed after 4 s.
    sleep(5 * second).await;
    assert_eq!(wires.take(), ["Closed"]);

    let refusing = Upstream::refusing().await;
    let builder = exact(&refusing.url()).retries(0);
    let client = builder.observer(Arc::clone(&wires)).build().unwrap();
    call(&client, &Method::GET).await.unwrap_err();
    assert_eq!(wires.take(), ["NotOpened { took: 0ns }"]);
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_of_the_breaker_of_an_address_and_of_an_endpoint() {
    let script = || {
        let failures = std::iter::repeat_n(Step::status(500), 6);
        failures.chain([Step::status(204)])
    };
    let states = ["open", "probing", "open", "probing", "closed"];
    let breakers = |wires: &Wires| -> Vec<String> {
        let all = wires.take().into_iter();
        all.filter(|note| states.iter().any(|state| note.ends_with(state)))
            .collect()
    };
    for with_endpoints in [false, true] {
        let peer = Upstream::start(script()).await;
        let wires = Arc::new(Wires::default());
        let builder = exact(&peer.url()).retries(0);
        let builder = if with_endpoints {
            let endpoints = StaticEndpoints::parse(&peer.addr().to_string()).unwrap();
            builder.endpoints(endpoints)
        } else {
            builder
        };
        let client = builder.observer(Arc::clone(&wires)).build().unwrap();
        // Five failures open it, a probe fails, and another one closes it.
        for pause in [0, 0, 0, 0, 0, 2, 10] {
            sleep(Duration::from_secs(pause)).await;
            let _ = call(&client, &Method::GET).await;
        }
        let told = breakers(&wires);
        let of_address = states.map(|state| format!("127.0.0.1 Some(127.0.0.1) {state}"));
        let of_endpoint = states.map(|state| format!("127.0.0.1 None {state}"));
        let told_of_endpoint: Vec<_> = told
            .iter()
            .filter(|note| note.contains(" None "))
            .cloned()
            .collect();
        let told_of_address: Vec<_> = told
            .iter()
            .filter(|note| !note.contains(" None "))
            .cloned()
            .collect();
        assert_eq!(told_of_address, of_address);
        if with_endpoints {
            assert_eq!(told_of_endpoint, of_endpoint);
        } else {
            assert_eq!(told_of_endpoint, [""; 0]);
        }
    }
}
