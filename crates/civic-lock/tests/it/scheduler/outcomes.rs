//! What becomes of a tick whose work fails, panics or hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use civic_lock::{LockService, OnError, Run, Scheduler};

use crate::support::event_log::{EventLog, assert_fences_rise, assert_no_gap, by_tick, count};
use crate::support::local::{Local, every, hangs_once, tell};
use crate::support::store::{Fixture, on_each_store};

on_each_store! {
    a_failed_tick_is_consumed_by_default,
    a_failed_tick_is_retried_within_its_bound_and_then_consumed,
    a_panic_in_the_work_is_a_failure_and_stays_there,
    a_panic_in_the_observer_stays_there,
    stuck_work_loses_its_lease_at_max_hold,
}

async fn a_failed_tick_is_consumed_by_default(store: Fixture) {
    let events = EventLog::default();
    let local = Local::start(
        &store.location().locks(),
        every(200),
        &events,
        |s| s,
        |_| async { Err(std::io::Error::other("no paper")) },
    );
    events
        .until("three ticks have failed", |log| {
            (count(log, &["failed:no_paper:Consumed"]) >= 3).then_some(())
        })
        .await;
    local.stop().await;
    let ticks = by_tick(&events.log());
    assert_no_gap(&ticks, Duration::from_millis(200));
    for records in ticks.values() {
        assert!(count(records, &["started"]) <= 1, "{records:#?}");
        assert_eq!(
            count(records, &["ran", "took-over", "lost:NotOwner"]),
            0,
            "{records:#?}"
        );
    }
}

async fn a_failed_tick_is_retried_within_its_bound_and_then_consumed(store: Fixture) {
    let events = EventLog::default();
    let retry = OnError::Retry {
        attempts: 3,
        delay: Duration::from_millis(10),
    };
    let local = Local::start(
        &store.location().locks(),
        every(500).on_error(retry),
        &events,
        |s| s,
        |_| async { Err(std::io::Error::other("no paper")) },
    );
    let done = events.event("failed:no_paper:Consumed", None, 0).await;
    assert_eq!(done.attempt, 3);
    let next = events
        .until("the next tick begins", |log| {
            log.iter()
                .find(|r| r.event == "started" && r.tick > done.tick)
                .cloned()
        })
        .await;
    assert_eq!(next.attempt, 1);
    local.stop().await;
    let ticks = by_tick(&events.log());
    assert_fences_rise(&ticks);
    assert_eq!(count(&ticks[&done.tick], &["started"]), 3);
    assert_eq!(count(&ticks[&done.tick], &["failed:no_paper:Retried"]), 2);
}

async fn a_panic_in_the_work_is_a_failure_and_stays_there(store: Fixture) {
    let events = EventLog::default();
    let times = Arc::new(AtomicUsize::new(0));
    let local = Local::start(
        &store.location().locks(),
        every(200),
        &events,
        |s| s,
        move |_| {
            // Also where there is no future yet.
            assert!(
                times.fetch_add(1, Ordering::Relaxed) != 0,
                "before the first await"
            );
            let second = times.load(Ordering::Relaxed) == 2;
            async move {
                assert!(!second, "in the middle");
                Ok(())
            }
        },
    );
    events
        .event("failed:panicked:_before_the_first_await:Consumed", None, 0)
        .await;
    events
        .event("failed:panicked:_in_the_middle:Consumed", None, 0)
        .await;
    events.event("ran", None, 0).await;
    local.stop().await;
}

async fn a_panic_in_the_observer_stays_there(store: Fixture) {
    let events = EventLog::default();
    let seen = events.clone();
    let panicking = move |scheduler: Scheduler| {
        scheduler.on_event(move |_, event| {
            tell(&seen, event);
            panic!("an observer that cannot cope");
        })
    };
    let local = Local::start(
        &store.location().locks(),
        every(200),
        &events,
        panicking,
        |_| async { Ok(()) },
    );
    events
        .until("two ticks have run", |log| {
            (count(log, &["ran"]) >= 2).then_some(())
        })
        .await;
    local.stop().await;
}

async fn stuck_work_loses_its_lease_at_max_hold(store: Fixture) {
    let events = EventLog::default();
    let job = every(500)
        .ttl(Duration::from_secs(4))
        .max_hold(Duration::from_secs(4));
    let local = Local::start(&store.location().locks(), job, &events, |s| s, hangs_once());
    let lost = events.event("lost:MaxHold", None, 0).await;
    let taken = events.event("took-over", None, 0).await;
    assert_eq!((taken.tick, taken.attempt), (lost.tick, 2));
    local.stop().await;
}

#[tokio::test]
async fn two_jobs_of_one_name_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let locks = LockService::builder()
        .host_folder(folder.path().join("locks"))
        .build()
        .expect("a service");
    let work = |_: Run| async { Ok::<(), std::io::Error>(()) };
    let scheduler = Scheduler::new(&locks)
        .job(every(200), work)
        .expect("the first");
    assert!(scheduler.job(every(300), work).is_err());
}

#[tokio::test]
async fn a_panic_of_the_clock_is_not_swallowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let locks = LockService::builder()
        .host_folder(folder.path().join("locks"))
        .build()
        .expect("a service");
    let scheduler = Scheduler::new(&locks)
        .clock(|| panic!("no clock"))
        .job(every(200), |_| async { Ok::<(), std::io::Error>(()) })
        .expect("a valid job");
    let ended = tokio::spawn(scheduler.run(std::future::pending())).await;
    assert!(ended.expect_err("it cannot go on").is_panic());
}
