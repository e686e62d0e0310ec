//! The observer for the facade `metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use civic_client::UrlTemplate;
use civic_client::observe::{
    BreakerEvent, BreakerState, MetricsObserver, Observer as _, PoolChange, PoolEvent,
};
use civic_testkit::upstream::{Step, Upstream};
use http::Method;
use http::uri::Authority;
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::support::{ends, exact};

/// Keeps what is counted.
#[derive(Clone, Debug, Default)]
struct Counted(Arc<Mutex<BTreeMap<String, Arc<Value>>>>);

#[derive(Debug, Default)]
struct Value {
    count: AtomicU64,
    sum: Mutex<f64>,
}

impl GaugeFn for Value {
    fn increment(&self, value: f64) {
        *self.sum.lock().unwrap() += value;
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn decrement(&self, value: f64) {
        *self.sum.lock().unwrap() -= value;
    }

    fn set(&self, value: f64) {
        *self.sum.lock().unwrap() = value;
    }
}

impl HistogramFn for Value {
    fn record(&self, value: f64) {
        self.increment(value);
    }
}

impl metrics::CounterFn for Value {
    fn increment(&self, value: u64) {
        GaugeFn::increment(self, value as f64);
    }

    fn absolute(&self, value: u64) {
        self.set(value as f64);
    }
}

impl Counted {
    fn value(&self, key: &Key) -> Arc<Value> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::clone(self.0.lock().unwrap().entry(name).or_default())
    }

    /// How often it was counted, and the sum.
    fn of(&self, name: &str) -> (u64, f64) {
        let values = self.0.lock().unwrap();
        let value = values
            .get(name)
            .unwrap_or_else(|| panic!("{name} of {:?}", values.keys()));
        let sum = *value.sum.lock().unwrap();
        (value.count.load(Ordering::Relaxed), sum)
    }

    /// The different values of a label.
    fn values_of(&self, label: &str) -> usize {
        let start = format!("{label}=");
        let names: Vec<String> = self.0.lock().unwrap().keys().cloned().collect();
        let values: std::collections::BTreeSet<_> = names
            .iter()
            .flat_map(|name| name.split(['{', ',', '}']))
            .filter(|part| part.starts_with(&start))
            .collect();
        values.len()
    }
}

impl Recorder for Counted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.value(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.value(key))
    }
}

#[tokio::test(start_paused = true)]
async fn calls_attempts_and_retries_are_counted_with_their_labels() {
    let counted = Counted::default();
    let _recorder = metrics::set_default_local_recorder(&counted);
    let peer = Upstream::start([Step::status(503), Step::hang(), Step::json("1")]).await;
    let builder = exact(&peer.url()).observer(MetricsObserver::new());
    let client = builder.build().unwrap();
    ends(client.get("/things/{id}").param("id", 7).fetch::<u8>())
        .await
        .unwrap();
    let peer = peer.addr();
    let of_call = format!("peer={peer},method=GET,route=/things/{{id}}");
    let (call, attempt) = (
        "civic_client_call_duration_seconds",
        "civic_client_attempt_duration_seconds",
    );
    assert_eq!(
        counted.of(&format!("{call}{{{of_call},outcome=200}}")),
        (1, 11.5)
    );
    for (outcome, seconds) in [("503", 0.0), ("timeout", 10.0), ("200", 0.0)] {
        let name = format!("{attempt}{{{of_call},outcome={outcome}}}");
        assert_eq!(counted.of(&name), (1, seconds));
    }
    let retries = format!("civic_client_retries_total{{{of_call}}}");
    assert_eq!(counted.of(&retries), (2, 2.0));
    for (gauge, count) in [("calls", 1), ("attempts", 3)] {
        let name = format!("civic_client_{gauge}_in_flight{{peer={peer}}}");
        assert_eq!(counted.of(&name), (count, 0.0), "none is left");
    }
}

#[tokio::test(start_paused = true)]
async fn why_a_call_was_not_retried_is_counted() {
    let counted = Counted::default();
    let _recorder = metrics::set_default_local_recorder(&counted);
    let peer = Upstream::start([Step::status(500)]).await;
    let builder = exact(&peer.url()).observer(MetricsObserver::new());
    let client = builder.build().unwrap();
    ends(client.post("/").send()).await.unwrap_err();
    let name = format!(
        "civic_client_not_retried_total{{peer={},method=POST,route=/,reason=not_replay_safe}}",
        peer.addr()
    );
    assert_eq!(counted.of(&name), (1, 1.0));
}

#[tokio::test]
async fn no_label_grows_without_bound() {
    let counted = Counted::default();
    let _recorder = metrics::set_default_local_recorder(&counted);
    let steps = (200..600).map(Step::status);
    let peer = Upstream::start(steps).await;
    let builder = exact(&peer.url()).observer(MetricsObserver::new());
    let client = builder.retries(0).build().unwrap();
    for number in 0..400 {
        let template = UrlTemplate::dynamic(format!("/things/{number}"));
        let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
        let _ = ends(client.request(method, template).send_raw()).await;
    }
    assert_eq!(peer.attempts().len(), 400);
    assert_eq!(counted.values_of("route"), 200 + 1);
    assert_eq!(counted.values_of("method"), 1);
    assert!(
        counted.values_of("outcome") <= 70,
        "{}",
        counted.values_of("outcome")
    );
}

#[tokio::test]
async fn breakers_and_connections_are_counted() {
    let counted = Counted::default();
    let _recorder = metrics::set_default_local_recorder(&counted);
    let observer = MetricsObserver::new();
    let peer: Authority = "billing:3021".parse().unwrap();
    for state in [
        BreakerState::Open,
        BreakerState::Probing,
        BreakerState::Closed,
    ] {
        observer.breaker_changed(&BreakerEvent::new(&peer, None, state));
    }
    let took = Duration::from_millis(500);
    let changes = [
        PoolChange::Opened { took },
        PoolChange::Opened { took },
        PoolChange::NotOpened { took },
        PoolChange::Waited { took },
        PoolChange::Closed,
    ];
    for change in changes {
        observer.pool_changed(&PoolEvent::new(&peer, None, change));
    }
    let expected = [
        (
            "breaker_changes_total{peer=billing:3021,state=open}",
            (1, 1.0),
        ),
        (
            "breaker_changes_total{peer=billing:3021,state=probing}",
            (1, 1.0),
        ),
        (
            "breaker_changes_total{peer=billing:3021,state=closed}",
            (1, 1.0),
        ),
        ("connections{peer=billing:3021}", (2, 1.0)),
        (
            "connections_opened_total{peer=billing:3021,outcome=opened}",
            (2, 2.0),
        ),
        (
            "connections_opened_total{peer=billing:3021,outcome=failed}",
            (1, 1.0),
        ),
        (
            "connect_duration_seconds{peer=billing:3021,outcome=opened}",
            (2, 1.0),
        ),
        ("connection_wait_seconds{peer=billing:3021}", (1, 0.5)),
    ];
    for (name, value) in expected {
        assert_eq!(counted.of(&format!("civic_client_{name}")), value, "{name}");
    }
}
