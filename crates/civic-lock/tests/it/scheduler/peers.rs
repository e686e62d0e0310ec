//! Peers that know the key and nothing else: the platform's Node services.

use std::time::{Duration, SystemTime};

use civic_lock::{Job, LockService, PeerForm, Peers, Scheduler};
use civic_testkit::redis::{RedisServer, Reply};

use crate::support::event_log::{
    EventLog, Record, assert_no_gap, by_tick, count, elapse, interval_that_is_due_soon,
};
use crate::support::local::{Local, every};
use crate::support::lock::eventually;
use crate::support::replica::{Config, Replica};
use crate::support::store::{Location, locks_at};

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
    elapse(Duration::from_secs(2)).await;
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

/// A Node service that comes for a tick: its value says when it came.
struct NodePeer<'a> {
    server: &'a RedisServer,
    value: String,
}

impl<'a> NodePeer<'a> {
    /// Takes the key until a certain instant if it is not later than this one.
    async fn takes(
        server: &'a RedisServer,
        value: String,
        latest: u64,
        expires: u64,
    ) -> Option<Self> {
        // Where the key is, as this process may be held up at any time.
        let script = r#"
            local now = redis.call("TIME")
            if now[1] * 1000 + now[2] / 1000 > tonumber(ARGV[2]) then return false end
            return redis.call("SET", KEYS[1], ARGV[1], "PXAT", ARGV[3], "NX")
        "#;
        let (latest, expires) = (latest.to_string(), expires.to_string());
        let command = ["EVAL", script, "1", KEY, &value, &latest, &expires];
        (server.command(&command).await != Reply::Nil).then_some(Self { server, value })
    }

    async fn releases(&self) {
        let script = r#"if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end"#;
        let command = ["EVAL", script, "1", KEY, &self.value];
        assert_eq!(self.server.command(&command).await, Reply::Int(1));
    }
}

const NIGHT: u64 = 3000;

/// Waits until a tick is over, and returns the next one, which is some time away.
async fn next_night(events: &EventLog) -> u64 {
    let seen = events.len();
    let ran = events.event("ran", None, seen).await;
    ran.tick + NIGHT
}

fn nightly(locks: &LockService, events: &EventLog, job: Job) -> Local {
    let settings = |scheduler: Scheduler| scheduler.poll_cap(Duration::from_millis(100));
    // No hold: it would keep the peer out.
    let job = job.minimum_hold(Duration::ZERO);
    Local::start(locks, job, events, settings, |_| async { Ok(()) })
}

async fn ran_by_node(job: Job, value: impl Fn(u64) -> String, then: PeerEnd) -> (u64, Vec<Record>) {
    let server = RedisServer::start().await;
    let events = EventLog::default();
    let locks = locks_at(server.url());
    let local = nightly(&locks, &events, job);
    // It comes before the tick is due, so that it wins, and is at work when the tick is due. One
    // that is held up until then tries the next one.
    let (tick, peer) = loop {
        let tick = next_night(&events).await;
        let expires = match then {
            PeerEnd::Released => tick + 30_000,
            PeerEnd::Died => tick + NIGHT / 2,
        };
        if let Some(peer) = NodePeer::takes(&server, value(tick), tick - 1, expires).await {
            break (tick, peer);
        }
    };
    if then == PeerEnd::Released {
        let at = Duration::from_millis(tick + NIGHT / 3);
        elapse(at.saturating_sub(since_epoch())).await;
        peer.releases().await;
    }
    events
        .until("the next night has run", |log| {
            let next = |record: &&Record| record.event == "ran" && record.tick > tick;
            log.iter().find(next).map(drop)
        })
        .await;
    local.stop().await;
    let of_tick = |record: &Record| record.tick == tick;
    (tick, events.log().into_iter().filter(of_tick).collect())
}

fn since_epoch() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after the epoch")
}

/// How the peer ends.
#[derive(Clone, Copy, PartialEq)]
enum PeerEnd {
    Released,
    Died,
}

fn node_value(tick: u64) -> String {
    format!("4711:{tick}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_that_a_node_peer_has_run_is_not_run_again() {
    let (_, log) = ran_by_node(every(NIGHT), node_value, PeerEnd::Released).await;
    assert_eq!(
        count(&log, &["started", "missed", "peer-unknown"]),
        0,
        "{log:#?}"
    );
    assert_eq!(count(&log, &["ran-by-peer"]), 1, "{log:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_whose_node_peer_died_is_not_run_again_and_says_that_no_one_knows() {
    let (_, log) = ran_by_node(every(NIGHT), node_value, PeerEnd::Died).await;
    assert_eq!(count(&log, &["started", "missed"]), 0, "{log:#?}");
    assert_eq!(count(&log, &["ran-by-peer"]), 1, "{log:#?}");
    assert_eq!(count(&log, &["peer-unknown"]), 1, "{log:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_counts_only_what_was_released_runs_the_tick_of_a_peer_that_died() {
    let job = every(NIGHT).peers(Peers::CountReleased);
    let (_, log) = ran_by_node(job.clone(), node_value, PeerEnd::Released).await;
    assert_eq!(count(&log, &["started"]), 0, "{log:#?}");
    assert_eq!(count(&log, &["ran-by-peer"]), 1, "{log:#?}");
    let (_, log) = ran_by_node(job, node_value, PeerEnd::Died).await;
    assert_eq!(count(&log, &["ran-by-peer"]), 0, "{log:#?}");
    assert_eq!(count(&log, &["ran"]), 1, "{log:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_ignores_peers_runs_the_tick_when_they_are_gone() {
    let job = every(NIGHT).peers(Peers::Ignore);
    let (_, log) = ran_by_node(job, node_value, PeerEnd::Released).await;
    assert_eq!(count(&log, &["ran"]), 1, "{log:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_not_a_node_peers_counts_only_if_the_job_says_so() {
    let other = |_| "worker-7".to_owned();
    let (_, log) = ran_by_node(every(NIGHT), other, PeerEnd::Released).await;
    assert_eq!(count(&log, &["ran"]), 1, "{log:#?}");
    let job = every(NIGHT).peer_form(PeerForm::Any);
    // A value in this crate's own form is never a peer's.
    let own = |_| format!("host:7:{}:1", "0".repeat(32));
    let (_, log) = ran_by_node(job, own, PeerEnd::Released).await;
    assert_eq!(count(&log, &["ran"]), 1, "{log:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_from_node_over_thirty_nights_runs_each_night_once() {
    const SHORT_NIGHT: u64 = 500;
    let server = RedisServer::start().await;
    let events = EventLog::default();
    let locks = locks_at(server.url());
    let settings = |scheduler: Scheduler| scheduler.poll_cap(Duration::from_millis(50));
    let local = Local::start(&locks, every(SHORT_NIGHT), &events, settings, |_| async {
        Ok(())
    });
    let first = events.event("ran", None, 0).await.tick + SHORT_NIGHT;
    let mut by_node = Vec::new();
    for night in 0..30 {
        let tick = first + night * SHORT_NIGHT;
        // Fewer and fewer replicas are Node's: it comes every night, every second, every third.
        let comes = night % (1 + night / 10) == 0;
        elapse(Duration::from_millis(tick).saturating_sub(since_epoch())).await;
        // A replica that is behind waits for the peer with the tick before, and sees no other one.
        let settled = |record: &Record| {
            let ends = ["ran", "took-over", "ran-by-peer"];
            record.tick + SHORT_NIGHT == tick && ends.contains(&record.event.as_str())
        };
        if !comes || !events.log().iter().any(settled) {
            continue;
        }
        // As the package `cron` does, a timer that is late skips its run.
        let taken = NodePeer::takes(&server, node_value(tick), tick + 100, tick + 60_000).await;
        let Some(peer) = taken else {
            continue;
        };
        by_node.push(tick);
        // It works until a replica has looked: what is shorter cannot be seen.
        events
            .until("the run is seen", |log| {
                let seen = |record: &Record| record.event == "ran-by-peer" && record.tick == tick;
                log.iter().any(seen).then_some(())
            })
            .await;
        peer.releases().await;
    }
    let last = first + 29 * SHORT_NIGHT;
    events
        .until("the last night is over", |log| {
            log.iter().any(|record| record.tick > last).then_some(())
        })
        .await;
    local.stop().await;
    let ticks = by_tick(&events.log());
    for night in 0..30 {
        let tick = first + night * SHORT_NIGHT;
        let by_rust = count(&ticks[&tick], &["ran", "took-over"]);
        let by_node = by_node.iter().filter(|ran| **ran == tick).count();
        assert_eq!(by_rust + by_node, 1, "night {night}: {:#?}", ticks[&tick]);
    }
}

#[tokio::test]
async fn a_peer_that_uses_the_name_without_the_namespace_is_warned_about_at_start() {
    let server = RedisServer::start().await;
    assert!(node_takes(&server).await);
    for (namespace, warnings) in [(Some("staging"), 1), (None, 0)] {
        let log = civic_testkit::log::Capture::start();
        let builder = LockService::builder().redis_url(server.url());
        let builder = match namespace {
            Some(namespace) => builder.namespace(namespace),
            None => builder,
        };
        let events = EventLog::default();
        let locks = builder.build().expect("a service");
        let quick = |scheduler: Scheduler| scheduler.poll_cap(Duration::from_millis(50));
        let local = Local::start(&locks, every(300), &events, quick, |_| async { Ok(()) });
        let admin = locks.admin();
        while admin.job("job").await.is_err() {
            tokio::task::yield_now().await;
        }
        let found = || {
            let text = log.text();
            text.matches("without this namespace holds lock:job")
                .count()
        };
        eventually("it is warned about", async || found() == warnings).await;
        // Several looks.
        elapse(Duration::from_millis(1500)).await;
        local.stop().await;
        let (found, text) = (found(), log.text());
        assert_eq!(found, warnings, "{text}");
    }
}
