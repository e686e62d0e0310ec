//! What becomes of a tick when the store is away, forgets, or loses an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use civic_lock::{Delivery, LockService, Tick};
use civic_testkit::proxy::{Fault, FaultProxy};
use civic_testkit::redis::{RedisServer, Reply};

use crate::support::event_log::{EventLog, assert_no_gap, by_tick, count};
use crate::support::local::{Local, every, hangs_once};
use crate::support::lock::eventually;
use crate::support::store::locks_at;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_whose_lease_is_taken_away_is_dropped_and_the_tick_is_run_again() {
    let server = RedisServer::start().await;
    let events = EventLog::default();
    let locks = locks_at(server.url());
    // Short, so that it is renewed soon.
    let job = every(500).ttl(Duration::from_secs(6));
    let local = Local::start(&locks, job, &events, |s| s, hangs_once());
    let started = events.event("started", None, 0).await;
    server.command(&["DEL", "lock:job"]).await;
    let lost = events.event("lost:NotOwner", None, 0).await;
    assert_eq!(lost.tick, started.tick);
    let taken = events.event("took-over", None, 0).await;
    assert_eq!((taken.tick, taken.attempt), (started.tick, 2));
    local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_runs_while_the_store_is_away_and_each_tick_is_run_or_reported_afterwards() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let events = EventLog::default();
    // Also a service that fails open does not run ticks without a lock.
    let locks = LockService::builder()
        .redis_url(proxy.redis_url())
        .command_timeout(Duration::from_secs(1))
        .on_unavailable(civic_lock::OnUnavailable::FailOpen)
        .build()
        .expect("a service");
    let job = every(200).misfire_grace(Duration::from_millis(1200));
    let local = Local::start(
        &locks,
        job,
        &events,
        |s| s.poll_cap(Duration::from_millis(400)),
        |_| async { Ok(()) },
    );
    events.event("ran", None, 0).await;
    let there = events.len();
    proxy.set(Fault::BlackHole);
    events.event("unavailable", None, there).await;
    let away = events.len();
    crate::support::event_log::elapse(Duration::from_secs(3)).await;
    let meanwhile = &events.log()[away..];
    assert_eq!(count(meanwhile, &["started"]), 0);
    assert_eq!(
        count(meanwhile, &["unavailable"]),
        0,
        "an outage is reported once"
    );
    proxy.set(Fault::Pass);
    events.event("ran", None, away).await;
    local.stop().await;
    let ticks = by_tick(&events.log());
    assert_no_gap(&ticks, Duration::from_millis(200));
    let missed: usize = ticks
        .values()
        .map(|records| count(records, &["missed"]))
        .sum();
    assert!(
        missed > 0,
        "three seconds are more than the grace: {ticks:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_does_not_run_again_what_it_knows_to_be_done_when_the_store_forgets() {
    let server = RedisServer::start().await;
    let events = EventLog::default();
    let locks = locks_at(server.url());
    let local = Local::start(&locks, every(200), &events, |s| s, |_| async { Ok(()) });
    let mut seen = 0;
    for _ in 0..3 {
        events.event("ran", None, seen).await;
        seen = events.len();
        server.command(&["FLUSHALL"]).await;
    }
    events.event("ran", None, seen).await;
    local.stop().await;
    let ticks = by_tick(&events.log());
    assert_no_gap(&ticks, Duration::from_millis(200));
    for records in ticks.values() {
        assert!(count(records, &["ran", "took-over"]) <= 1, "{records:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_does_not_begin_an_at_most_once_tick_again_when_the_store_forgets() {
    let server = RedisServer::start().await;
    let events = EventLog::default();
    let locks = locks_at(server.url());
    // Short, so that it is renewed soon.
    let job = every(2000)
        .ttl(Duration::from_secs(6))
        .delivery(Delivery::AtMostOnce);
    let local = Local::start(&locks, job, &events, |s| s, hangs_once());
    let started = events.event("started", None, 0).await;
    server.command(&["FLUSHALL"]).await;
    let lost = events.event("lost:NotOwner", None, 0).await;
    assert_eq!(lost.tick, started.tick);
    let next = events.event("ran", None, 0).await;
    local.stop().await;
    assert!(next.tick > started.tick, "{:#?}", events.log());
    let log = events.log();
    let ticks = by_tick(&log);
    assert_eq!(count(&ticks[&started.tick], &["started"]), 1, "{log:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_reply_is_lost_loses_no_tick_and_runs_none_twice() {
    for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
        let server = RedisServer::start().await;
        let proxy = FaultProxy::start(server.addr()).await;
        let events = EventLog::default();
        let locks = LockService::builder()
            .redis_url(proxy.redis_url())
            .command_timeout(Duration::from_secs(1))
            .build()
            .expect("a service");
        let job = every(400).delivery(delivery);
        let local = Local::start(
            &locks,
            job,
            &events,
            |s| s.poll_cap(Duration::from_millis(400)),
            |_| async { Ok(()) },
        );
        events.event("ran", None, 0).await;
        for _ in 0..3 {
            let before = events.len();
            // The store claims the tick, and its answer never arrives.
            proxy.set(Fault::DropReply);
            events.event("unavailable", None, before).await;
            proxy.set(Fault::Pass);
            // A run that had ended before the outage was told is none of those after it.
            let healed = events.len();
            events.event("ran", None, healed).await;
        }
        local.stop().await;
        let log = events.log();
        let ticks = by_tick(&log);
        assert_no_gap(&ticks, Duration::from_millis(400));
        assert_eq!(
            count(&log, &["missed", "skipped"]),
            0,
            "{delivery:?}: {log:#?}"
        );
        for records in ticks.values() {
            assert!(
                count(records, &["started"]) <= 1,
                "{delivery:?}: {records:#?}"
            );
        }
        assert!(proxy.injected().replies_lost > 0);
    }
}

/// A replica looked at the job while another one's claim was under way whose answer was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_at_most_once_tick_whose_claim_is_taken_back_is_run_by_a_replica_that_has_seen_it() {
    const KEY: &str = "{lock:job}:tick";
    let other = format!("other:1:{}:1", "0".repeat(32));
    let server = RedisServer::start().await;
    let events = EventLog::default();
    let locks = locks_at(server.url());
    let hour = 60 * 60 * 1000;
    let now = Tick::from(SystemTime::now()).as_millis();
    let tick = now / hour * hour;
    let (before, claimed) = ((tick - hour).to_string(), tick.to_string());
    let schedules = format!("{before} {} @every {hour}ms", now - 1000);
    let state = [
        "HSET",
        KEY,
        "done",
        &claimed,
        "prev",
        &before,
        "claimed",
        &claimed,
        "claimant",
        &other,
        "attempt",
        "1",
        "version",
        "2",
        "schedules",
        &schedules,
    ];
    server.command(&state).await;
    server.command(&["SET", "lock:job", &other]).await;
    let local = Local::start(
        &locks,
        every(hour)
            .delivery(Delivery::AtMostOnce)
            .misfire_grace(Duration::from_secs(2 * 60 * 60)),
        &events,
        |s| s.poll_cap(Duration::from_millis(100)),
        |_| async { Ok(()) },
    );
    eventually("it has looked", async || {
        let field = ["HGET", KEY, "schedules"];
        server.command(&field).await != Reply::Text(schedules.clone())
    })
    .await;
    // What `unclaim.lua` does.
    server.command(&["HSET", KEY, "done", &before]).await;
    let taken_back = ["HDEL", KEY, "claimed", "claimant", "attempt", "prev"];
    server.command(&taken_back).await;
    server.command(&["DEL", "lock:job"]).await;
    let ran = events.event("ran", None, 0).await;
    assert_eq!((ran.tick, ran.attempt), (tick, 1));
    local.stop().await;
    assert_eq!(count(&events.log(), &["missed", "skipped"]), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_whose_record_was_not_confirmed_is_not_run_again_if_it_was_recorded() {
    let server = RedisServer::start().await;
    let proxy = Arc::new(FaultProxy::start(server.addr()).await);
    let events = EventLog::default();
    let locks = LockService::builder()
        .redis_url(proxy.redis_url())
        .command_timeout(Duration::from_secs(1))
        .build()
        .expect("a service");
    let cut = Arc::new(AtomicBool::new(true));
    let in_work = proxy.clone();
    let local = Local::start(
        &locks,
        every(1000),
        &events,
        |s| s,
        move |_| {
            if cut.swap(false, Ordering::SeqCst) {
                // What is sent from here on is carried out, and the replies are lost.
                in_work.set(Fault::DropReply);
            }
            async { Ok(()) }
        },
    );
    let unrecorded = events.event("unrecorded", None, 0).await;
    proxy.set(Fault::Pass);
    let ran = events.event("ran", None, 0).await;
    assert_eq!((ran.tick, ran.attempt), (unrecorded.tick, 1));
    events
        .until("the next tick has run", |log| {
            log.iter()
                .find(|r| r.event == "ran" && r.tick > ran.tick)
                .cloned()
        })
        .await;
    local.stop().await;
    let ticks = by_tick(&events.log());
    assert_eq!(count(&ticks[&ran.tick], &["started"]), 1);
}
