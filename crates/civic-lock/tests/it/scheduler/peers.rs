//! Peers that know the key and nothing else: the platform's Node services.

use std::time::Duration;

use civic_testkit::redis::{RedisServer, Reply};

use crate::support::event_log::{
    EventLog, assert_no_gap, by_tick, count, interval_that_is_due_soon,
};
use crate::support::replica::{Config, Replica};
use crate::support::store::Location;

const KEY: &str = "lock:job";

/// What ioredis sends.
async fn node_takes(server: &RedisServer) -> bool {
    let answer = server
        .command(&["SET", KEY, "4711:1772089200000", "EX", "30", "NX"])
        .await;
    answer != Reply::Nil
}

async fn node_releases(server: &RedisServer) -> bool {
    let script = r#"if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end"#;
    server
        .command(&["EVAL", script, "1", KEY, "4711:1772089200000"])
        .await
        == Reply::Int(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_peer_is_refused_during_the_minimum_hold() {
    let server = RedisServer::start().await;
    let events = EventLog::default();
    let config = Config {
        interval: interval_that_is_due_soon(),
        ..Config::new(&Location::Redis(server.url()))
    };
    let replica = Replica::start("a", &config, &events).await;
    // The work takes 20 ms; the hold is half of the interval, counted from the claim.
    events.event("ran", None, 0).await;
    let half = i64::try_from(config.interval.as_millis() / 2).expect("short");
    assert!(
        !node_takes(&server).await,
        "a peer that comes for the same tick is refused"
    );
    let left = server.command(&["PTTL", KEY]).await.int();
    assert!((1..=half).contains(&left), "{left} of {half}");
    assert!(
        left > i64::try_from(config.ttl.as_millis()).expect("short"),
        "the hold, not the ttl: {left}"
    );
    assert!(
        !node_releases(&server).await,
        "and cannot release what is not its own"
    );
    // It outlives the replica.
    replica.terminate().await;
    assert!(!node_takes(&server).await);
    server.command(&["PEXPIRE", KEY, "0"]).await;
    assert!(node_takes(&server).await, "and ends with its ttl");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_minimum_hold_never_delays_the_next_tick() {
    let server = RedisServer::start().await;
    let events = EventLog::default();
    let config = Config {
        interval: Duration::from_millis(300),
        minimum_hold: Some(Duration::from_secs(60)),
        ..Config::new(&Location::Redis(server.url()))
    };
    let a = Replica::start("a", &config, &events).await;
    let b = Replica::start("b", &config, &events).await;
    events
        .until("six ticks have run", |log| {
            (count(log, &["ran"]) >= 6).then_some(())
        })
        .await;
    a.terminate().await;
    let before = events.len();
    // Nor does it keep out another replica.
    events.event("ran", Some("b"), before).await;
    b.terminate().await;
    let log = events.log();
    assert_no_gap(&by_tick(&log), config.interval);
    assert_eq!(count(&log, &["missed"]), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_peer_that_holds_the_key_keeps_us_out_until_it_releases() {
    let server = RedisServer::start().await;
    let events = EventLog::default();
    let config = Config {
        poll_cap: Duration::from_millis(200),
        grace: Some(Duration::from_secs(60)),
        ..Config::new(&Location::Redis(server.url()))
    };
    assert!(node_takes(&server).await);
    let replica = Replica::start("a", &config, &events).await;
    events.event("ready", None, 0).await;
    crate::support::event_log::elapse(Duration::from_secs(2)).await;
    assert_eq!(count(&events.log(), &["started"]), 0);
    assert!(node_releases(&server).await, "its value was never touched");
    events
        .until("what was due meanwhile has run", |log| {
            (count(log, &["ran"]) >= 4).then_some(())
        })
        .await;
    replica.terminate().await;
    let log = events.log();
    assert_no_gap(&by_tick(&log), config.interval);
    assert_eq!(count(&log, &["missed"]), 0);
}
