//! What becomes of ticks when a job is deployed with another schedule.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use civic_lock::{Job, LockService, Scheduler, Tick};
use civic_testkit::log::Capture;
use civic_testkit::redis::RedisServer;

use crate::support::event_log::{EventLog, Record, assert_no_gap, by_tick, count, elapse};
use crate::support::local::{Local, every};
use crate::support::replica::JOB;
use crate::support::store::{Fixture, locks_at, on_each_store};

on_each_store! {
    a_new_schedule_has_no_tick_before_its_deployment,
    a_rolling_deployment_of_a_changed_schedule_loses_no_tick_and_repeats_none,
    an_unchanged_schedule_goes_on_from_the_watermark,
    instants_of_a_retired_schedule_are_neither_run_nor_missed,
    an_instant_that_another_schedule_passes_over_is_missed_if_a_replica_comes_for_it,
}

fn now() -> u64 {
    Tick::from(SystemTime::now()).as_millis()
}

fn job(schedule: &str) -> Job {
    let schedule = schedule.parse().expect("a schedule");
    Job::new(JOB, schedule).expect("a job")
}

/// Runs the job for a while, and then until it has run as often as that. What it has begun then is
/// done before it ends.
async fn run_for(locks: &LockService, job: Job, time: Duration, times: usize) -> Vec<Record> {
    let events = EventLog::default();
    let bound = |scheduler: Scheduler| scheduler.shutdown_bound(Duration::from_secs(30));
    let local = Local::start(locks, job, &events, bound, |_| async { Ok(()) });
    elapse(time).await;
    events
        .until("it has run", |log| {
            (count(log, &["ran"]) >= times).then_some(())
        })
        .await;
    local.stop().await;
    let of_a_tick = |record: &Record| record.tick > 0;
    events.log().into_iter().filter(of_a_tick).collect()
}

async fn a_new_schedule_has_no_tick_before_its_deployment(store: Fixture) {
    let locks = store.location().locks();
    let while_it_starts = Duration::from_millis(600);
    run_for(&locks, job("0 2 * * *"), while_it_starts, 0).await;
    for (schedule, times) in [("*/5 * * * *", 0), ("@every 1s", 2), ("46 4 * * *", 0)] {
        let deployed = now();
        for record in run_for(&locks, job(schedule), while_it_starts, times).await {
            assert!(
                record.tick > deployed,
                "{schedule}: {record:?} at {deployed}"
            );
        }
    }
}

async fn a_rolling_deployment_of_a_changed_schedule_loses_no_tick_and_repeats_none(store: Fixture) {
    let (of_the_old, of_the_new) = (EventLog::default(), EventLog::default());
    let start = |millis: u64, events: &EventLog| {
        Local::start(
            &store.replica(),
            every(millis),
            events,
            |s| s.poll_cap(Duration::from_millis(200)),
            |_| async { Ok(()) },
        )
    };
    let mut old: Vec<_> = (0..3).map(|_| start(400, &of_the_old)).collect();
    let first = of_the_old.event("ran", None, 0).await.tick;
    let mut new = Vec::new();
    while let Some(replica) = old.pop() {
        new.push(start(600, &of_the_new));
        elapse(Duration::from_millis(1500)).await;
        replica.stop().await;
    }
    let replaced = now();
    of_the_new
        .until("the new one goes on", |log| {
            let later = |record: &Record| record.event == "ran" && record.tick > replaced + 1200;
            log.iter().any(later).then_some(())
        })
        .await;
    for replica in new {
        replica.stop().await;
    }
    // The last instant that a replica with the old schedule came for.
    let came = of_the_old.log().iter().map(|record| record.tick).max();
    let came = came.expect("it ran");
    let mut log = of_the_old.log();
    log.extend(of_the_new.log());
    let ticks = by_tick(&log);
    let begun: BTreeSet<u64> = ticks
        .iter()
        .filter(|(_, records)| count(records, &["started", "missed"]) > 0)
        .map(|(tick, _)| *tick)
        .collect();
    for (tick, records) in &ticks {
        // One that was stopped in the middle of a tick has handed it over.
        assert!(
            count(records, &["started", "missed"]) <= 1 + count(records, &["handed-over"]),
            "{tick}: {records:#?}"
        );
    }
    // Every instant of the old schedule, as long as a replica comes for it.
    let missing = |from: u64, to: u64, interval: u64| -> Vec<u64> {
        let all = (from / interval..to / interval).map(|n| n * interval);
        all.filter(|tick| *tick >= from && !begun.contains(tick))
            .collect()
    };
    assert_eq!(
        missing(first, came.min(replaced - 400), 400),
        Vec::<u64>::new(),
        "{begun:?}"
    );
    // Every instant of the new one, from the first that only it has.
    let only_new = begun
        .iter()
        .find(|tick| *tick % 400 != 0)
        .expect("a new one");
    let last = *begun.last().expect("many");
    assert_eq!(
        missing(*only_new, last, 600),
        Vec::<u64>::new(),
        "{begun:?}"
    );
    assert!(last > replaced, "the new one goes on");
    // And the old one does not come back.
    let is_old = |tick: &&u64| **tick > replaced + 400 && !tick.is_multiple_of(600);
    assert_eq!(begun.iter().find(is_old), None, "{begun:?}");
}

async fn instants_of_a_retired_schedule_are_neither_run_nor_missed(store: Fixture) {
    let locks = store.location().locks();
    run_for(&locks, job("@every 200ms"), Duration::ZERO, 3).await;
    let deployed = now();
    // Each claim of the new schedule passes over several instants of the old one.
    for record in run_for(&locks, every(1100), Duration::ZERO, 3).await {
        // An instant that was due when the old replica was stopped.
        if record.event == "missed" && record.tick <= deployed {
            continue;
        }
        assert!(record.tick > deployed, "{record:?} at {deployed}");
        assert_eq!(record.tick % 1100, 0, "{record:?}");
    }
}

async fn an_instant_that_another_schedule_passes_over_is_missed_if_a_replica_comes_for_it(
    store: Fixture,
) {
    let events = EventLog::default();
    let quick = |scheduler: Scheduler| scheduler.poll_cap(Duration::from_millis(100));
    let work = |_| async { Ok(()) };
    let old = Local::start(&store.replica(), every(300), &events, quick, work);
    let first = events.event("ran", None, 0).await.tick;
    // Its clock is ahead: it claims its ticks while some of the other schedule are not due yet.
    let ahead = move |scheduler: Scheduler| {
        quick(scheduler).clock(|| SystemTime::now() + Duration::from_millis(1500))
    };
    let new = Local::start(&store.replica(), every(2100), &events, ahead, work);
    let passed_over = |log: &[Record]| {
        let missed = |record: &&Record| record.event == "missed" && record.tick > first;
        (log.iter().filter(missed).count() >= 3).then_some(())
    };
    events.until("instants were passed over", passed_over).await;
    // What is passed over now may not be known as such yet.
    let known = now() - 3000;
    elapse(Duration::from_secs(3)).await;
    old.stop().await;
    new.stop().await;
    let mut ticks = by_tick(&events.log());
    ticks.retain(|tick, _| *tick <= known);
    assert_no_gap(&ticks, Duration::from_millis(300));
    for (tick, records) in &ticks {
        assert!(
            count(records, &["started", "missed"]) <= 1,
            "{tick}: {records:#?}"
        );
    }
}

async fn an_unchanged_schedule_goes_on_from_the_watermark(store: Fixture) {
    let locks = store.location().locks();
    let before = run_for(&locks, every(300), Duration::ZERO, 2).await;
    elapse(Duration::from_millis(1000)).await;
    let after = run_for(&locks, every(300), Duration::ZERO, 2).await;
    let last = before.iter().map(|record| record.tick).max();
    let first = after.iter().map(|record| record.tick).min();
    assert_eq!(first, last.map(|last| last + 300));
}

const TICK_KEY: &str = "{lock:job}:tick";
const MINUTE: u64 = 60_000;

/// A job whose schedules were seen as it is said here.
async fn seen(server: &RedisServer, schedules: &str, done: u64) {
    let done = done.to_string();
    let fields = ["done", &done, "version", "2", "schedules", schedules];
    let mut command = vec!["HSET", TICK_KEY];
    command.extend(fields);
    server.command(&command).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_that_is_silent_is_forgotten_when_another_one_is_seen_and_one_replica_says_so() {
    let server = RedisServer::start().await;
    let (now, events) = (now(), EventLog::default());
    let old = format!("{} {} 0 2 * * * UTC", now - 900 * MINUTE, now - 11 * MINUTE);
    seen(&server, &old, now - 300 * MINUTE).await;
    let replicas: Vec<_> = (0..3)
        .map(|_| {
            let locks = locks_at(server.url());
            Local::start(&locks, every(500), &events, |s| s, |_| async { Ok(()) })
        })
        .collect();
    events.event("ran", None, 0).await;
    for replica in replicas {
        replica.stop().await;
    }
    let log = events.log();
    assert_eq!(count(&log, &["rescheduled"]), 1, "{log:#?}");
    assert_eq!(
        count(&log, &["missed", "conflicting-schedules"]),
        0,
        "{log:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_schedules_that_stay_are_a_conflict_and_those_of_a_deployment_are_none() {
    for (together, conflicts) in [(31, 1), (29, 0)] {
        let server = RedisServer::start().await;
        let (now, events) = (now(), EventLog::default());
        let since = now - together * MINUTE;
        let schedules = format!("{since} {now} @every 9000ms\n{since} {now} @every 500ms");
        seen(&server, &schedules, now).await;
        let locks = locks_at(server.url());
        let local = Local::start(&locks, every(500), &events, |s| s, |_| async { Ok(()) });
        let seen = events.event("ran", None, 0).await;
        events
            .until("several looks", |log| {
                let ran = |tick| {
                    log.iter()
                        .any(|record| record.event == "ran" && record.tick > tick)
                };
                ran(seen.tick + 2000).then_some(())
            })
            .await;
        local.stop().await;
        let log = events.log();
        assert_eq!(
            count(&log, &["conflicting-schedules"]),
            conflicts,
            "{log:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watermark_in_the_future_is_reported() {
    let server = RedisServer::start().await;
    let (now, events) = (now(), EventLog::default());
    let schedules = format!("{now} {now} @every 500ms");
    seen(&server, &schedules, now + 120 * MINUTE).await;
    let locks = locks_at(server.url());
    let local = Local::start(&locks, every(500), &events, |s| s, |_| async { Ok(()) });
    events.event("watermark-ahead", None, 0).await;
    local.stop().await;
    assert_eq!(count(&events.log(), &["started", "missed"]), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_schedule_over_a_watermark_of_the_first_version_goes_on_from_it() {
    let server = RedisServer::start().await;
    let (now, events) = (now(), EventLog::default());
    let done = (now - 3000) / 500 * 500;
    let done_text = done.to_string();
    server
        .command(&["HSET", TICK_KEY, "done", &done_text])
        .await;
    let locks = locks_at(server.url());
    let local = Local::start(&locks, every(500), &events, |s| s, |_| async { Ok(()) });
    let first = events.event("started", None, 0).await;
    local.stop().await;
    assert_eq!(first.tick, done + 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_schedule_has_no_tick_before_its_deployment_even_if_the_store_forgets() {
    let server = RedisServer::start().await;
    let (deployed, events) = (now(), EventLog::default());
    // The watermark of the schedule before is ten of our ticks old.
    let old = format!("{0} {0} 0 2 * * * UTC", deployed - 5000);
    seen(&server, &old, deployed - 5000).await;
    let locks = locks_at(server.url());
    let local = Local::start(&locks, every(500), &events, |s| s, |_| async { Ok(()) });
    // Its schedule is seen, and nothing is due yet.
    let sighted = async || {
        let seen = server.command(&["HGET", TICK_KEY, "schedules"]).await;
        seen.text().contains("@every 500ms")
    };
    while !sighted().await {
        elapse(Duration::from_millis(1)).await;
    }
    server.command(&["FLUSHALL"]).await;
    events.event("ran", None, 0).await;
    local.stop().await;
    let log = events.log();
    let about_a_tick = ["started", "missed", "ran"];
    for record in log
        .iter()
        .filter(|record| about_a_tick.contains(&record.event.as_str()))
    {
        assert!(record.tick > deployed, "{record:?} at {deployed}");
    }
}

#[tokio::test]
async fn another_schedule_is_named_once_per_process_even_if_the_store_forgets_it() {
    let log = Capture::start();
    let server = RedisServer::start().await;
    let events = EventLog::default();
    let locks = locks_at(server.url());
    let other = || format!("{0} {0} 0 2 * * * UTC", now());
    seen(&server, &other(), now()).await;
    let local = Local::start(&locks, every(300), &events, |s| s, |_| async { Ok(()) });
    let both_seen = async || {
        let seen = server.command(&["HGET", TICK_KEY, "schedules"]).await;
        seen.text().contains("0 2 * * *") && seen.text().contains("@every 300ms")
    };
    for _ in 0..3 {
        while !both_seen().await {
            elapse(Duration::from_millis(1)).await;
        }
        server.command(&["FLUSHALL"]).await;
        seen(&server, &other(), now()).await;
    }
    while !both_seen().await {
        elapse(Duration::from_millis(1)).await;
    }
    events.event("ran", None, events.len()).await;
    local.stop().await;
    let text = log.text();
    assert_eq!(text.matches("also has the schedule").count(), 1, "{text}");
}
