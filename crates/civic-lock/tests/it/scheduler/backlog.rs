//! What becomes of ticks that are due at once, that kill their holders, or that take too long.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use civic_lock::{Coalesce, Event, Job, LockService, OnError, Scheduler, Tick};

use crate::support::event_log::{EventLog, Record, by_tick, count, elapse};
use crate::support::local::{Local, every, hangs_once, tell};
use crate::support::store::{Fixture, on_each_store};

on_each_store! {
    after_an_outage_the_latest_due_tick_runs_and_the_others_are_one_missed_event,
    after_an_outage_skip_runs_none_of_the_due_ticks_and_goes_on_with_the_next,
    after_an_outage_every_runs_all_due_ticks_oldest_first,
    a_tick_that_was_begun_comes_before_the_latest_that_is_due,
    a_tick_that_kills_its_holders_is_begun_as_often_as_its_job_says,
    retry_bounds_crashes_as_well_as_errors,
    a_tick_that_is_handed_over_again_and_again_does_not_use_up_its_attempts,
    work_that_takes_longer_than_its_timeout_is_dropped_and_has_failed,
}

/// Runs the job until a tick has run, and leaves it alone for a while: an outage of all replicas.
async fn run_once_and_stay_away(locks: &LockService, job: Job) -> Tick {
    let events = EventLog::default();
    // What was begun is done before it goes.
    let bound = |scheduler: Scheduler| scheduler.shutdown_bound(Duration::from_secs(30));
    let local = Local::start(locks, job, &events, bound, |_| async { Ok(()) });
    let ran = events.event("ran", None, 0).await;
    local.stop().await;
    elapse(Duration::from_millis(1500)).await;
    let last = |log: &[Record]| log.iter().map(|record| record.tick).max();
    Tick::from_millis(last(&events.log()).unwrap_or(ran.tick))
}

/// Runs the job, and returns the ranges of its `missed` events and the first tick that was begun.
async fn come_back(locks: &LockService, job: Job, events: &EventLog) -> (Vec<(u64, u64)>, Record) {
    let missed = Arc::new(Mutex::new(Vec::new()));
    let (log, ranges) = (events.clone(), missed.clone());
    let local = Local::start(
        locks,
        job,
        events,
        move |scheduler| {
            scheduler.on_event(move |_, event| {
                if let Event::Missed { tick, until, .. } = event {
                    let mut ranges = ranges.lock().expect("no panic");
                    ranges.push((tick.as_millis(), until.as_millis()));
                }
                tell(&log, event);
            })
        },
        |_| async { Ok(()) },
    );
    let started = events.event("started", None, 0).await;
    events.event("ran", None, 0).await;
    local.stop().await;
    let mut missed = missed.lock().expect("no panic").clone();
    missed.retain(|(tick, _)| *tick < started.tick);
    (missed, started)
}

async fn after_an_outage_the_latest_due_tick_runs_and_the_others_are_one_missed_event(
    store: Fixture,
) {
    let locks = store.location().locks();
    let job = every(200).coalesce(Coalesce::Latest);
    let last = run_once_and_stay_away(&locks, job.clone()).await;
    let (missed, started) = come_back(&locks, job, &EventLog::default()).await;
    let expected = (last.as_millis() + 200, started.tick - 200);
    assert_eq!(missed, [expected], "one event for all of them");
    assert!(expected.1 - expected.0 >= 800, "{expected:?}");
}

async fn after_an_outage_skip_runs_none_of_the_due_ticks_and_goes_on_with_the_next(store: Fixture) {
    let locks = store.location().locks();
    let job = every(200).coalesce(Coalesce::Skip);
    let last = run_once_and_stay_away(&locks, job.clone()).await;
    let back = Tick::from(SystemTime::now()).as_millis();
    let (missed, started) = come_back(&locks, job, &EventLog::default()).await;
    assert_eq!(missed[0].0, last.as_millis() + 200);
    assert!(missed[0].1 + 200 > back, "{missed:?} at {back}");
    assert!(started.tick > back, "{started:?} at {back}");
}

async fn after_an_outage_every_runs_all_due_ticks_oldest_first(store: Fixture) {
    let locks = store.location().locks();
    let last = run_once_and_stay_away(&locks, every(200)).await;
    let (missed, started) = come_back(&locks, every(200), &EventLog::default()).await;
    assert_eq!(missed, []);
    assert_eq!(started.tick, last.as_millis() + 200);
}

async fn a_tick_that_was_begun_comes_before_the_latest_that_is_due(store: Fixture) {
    let locks = store.location().locks();
    let job = every(200).coalesce(Coalesce::Latest);
    let events = EventLog::default();
    let local = Local::start(&locks, job.clone(), &events, |s| s, hangs_once());
    let begun = events.event("started", None, 0).await;
    local.task.abort();
    elapse(Duration::from_millis(1500)).await;
    let events = EventLog::default();
    let (_, started) = come_back(&locks, job, &events).await;
    assert_eq!((started.tick, started.attempt), (begun.tick, 2));
}

/// Starts replicas that die in the middle of the tick, one after the other, until one of them says
/// that it does not begin it again.
async fn crash_until_given_up(store: &Fixture, job: Job, attempts: u32) {
    let events = EventLog::default();
    for n in 1..=attempts {
        let seen = events.len();
        let local = Local::start(
            &store.location().locks(),
            job.clone(),
            &events,
            |s| s,
            |_| std::future::pending(),
        );
        let started = events.event("started", None, seen).await;
        assert_eq!(started.attempt, n);
        local.task.abort();
    }
    // What it has begun when it is stopped is done before it goes.
    let local = Local::start(
        &store.location().locks(),
        job,
        &events,
        |s| s.shutdown_bound(Duration::from_secs(30)),
        |_| async { Ok(()) },
    );
    let given_up = events.event("dead-letter", None, 0).await;
    // It counts as done, and the job goes on.
    let ran = events.event("ran", None, 0).await;
    assert!(ran.tick > given_up.tick);
    local.stop().await;
    let records = &by_tick(&events.log())[&given_up.tick];
    assert_eq!(count(records, &["started"]), attempts as usize);
    assert_eq!(count(records, &["dead-letter"]), 1);
}

async fn a_tick_that_kills_its_holders_is_begun_as_often_as_its_job_says(store: Fixture) {
    crash_until_given_up(&store, every(500).max_attempts(1), 1).await;
    crash_until_given_up(&store, every(500).max_attempts(3), 3).await;
}

async fn retry_bounds_crashes_as_well_as_errors(store: Fixture) {
    let retry = OnError::Retry {
        attempts: 2,
        delay: Duration::ZERO,
    };
    crash_until_given_up(&store, every(500).on_error(retry), 2).await;
}

async fn a_tick_that_is_handed_over_again_and_again_does_not_use_up_its_attempts(store: Fixture) {
    let (locks, events) = (store.location().locks(), EventLog::default());
    let job = every(500).max_attempts(2);
    for n in 1..=3 {
        let seen = events.len();
        let hangs = |_| std::future::pending();
        let local = Local::start(&locks, job.clone(), &events, |s| s, hangs);
        let started = events.event("started", None, seen).await;
        assert_eq!(started.attempt, n);
        local.stop().await;
        events.event("handed-over", None, seen).await;
    }
    let local = Local::start(&locks, job, &events, |s| s, |_| async { Ok(()) });
    let ran = events.event("took-over", None, 0).await;
    assert_eq!(ran.attempt, 4);
    local.stop().await;
    assert_eq!(count(&events.log(), &["dead-letter"]), 0);
}

async fn work_that_takes_longer_than_its_timeout_is_dropped_and_has_failed(store: Fixture) {
    let events = EventLog::default();
    let retry = OnError::Retry {
        attempts: 2,
        delay: Duration::ZERO,
    };
    let job = every(500)
        .timeout(Duration::from_millis(50))
        .on_error(retry);
    let local = Local::start(
        &store.location().locks(),
        job,
        &events,
        |s| s,
        |_| std::future::pending(),
    );
    let failed = events
        .event("failed:timed_out_after_50ms:Retried", None, 0)
        .await;
    let consumed = events
        .event("failed:timed_out_after_50ms:Consumed", None, 0)
        .await;
    assert_eq!((failed.attempt, consumed.attempt), (1, 2));
    assert_eq!(failed.tick, consumed.tick);
    local.stop().await;
}

#[tokio::test]
async fn a_schedule_without_a_further_tick_says_that_it_has_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let locks = LockService::builder()
        .host_folder(folder.path().join("locks"))
        .build()
        .expect("a service");
    let events = EventLog::default();
    let past = Job::cron("past", "0 0 0 1 1 * 2020").expect("a job");
    let keep = |scheduler: Scheduler| scheduler;
    let local = Local::start(&locks, past, &events, keep, |_| async { Ok(()) });
    events.event("ended", None, 0).await;
    local.stop().await;
    assert_eq!(events.len(), 1);
}
