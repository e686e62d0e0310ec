//! What a replica does whose clock is not right.

use std::time::{Duration, SystemTime};

use civic_lock::Scheduler;

use crate::support::event_log::{EventLog, assert_no_gap, by_tick, count};
use crate::support::local::{Local, every};
use crate::support::store::{Fixture, on_each_store};

on_each_store! {
    a_clock_that_is_far_ahead_waits_for_the_store,
    a_fast_clock_cannot_declare_done_what_is_not_due,
    a_clock_that_is_behind_goes_by_the_stores,
}

async fn a_clock_that_is_far_ahead_waits_for_the_store(store: Fixture) {
    let events = EventLog::default();
    let ahead = Duration::from_secs(60);
    let fast = move |scheduler: Scheduler| {
        scheduler
            .clock(move || SystemTime::now() + ahead)
            .max_skew(Duration::from_millis(500))
    };
    let local = Local::start(
        &store.location().locks(),
        every(1000),
        &events,
        fast,
        |run| async move {
            // The store is on this machine: its clock is the system's.
            let due = SystemTime::from(run.tick());
            match due.duration_since(SystemTime::now()) {
                Ok(early) if early > Duration::from_millis(500) => {
                    Err(std::io::Error::other("too early"))
                }
                _ => Ok(()),
            }
        },
    );
    events.event("clock-ahead", None, 0).await;
    events
        .until("three ticks have run", |log| {
            (count(log, &["ran"]) >= 3).then_some(())
        })
        .await;
    local.stop().await;
    let log = events.log();
    assert_eq!(
        count(&log, &["missed", "failed:too_early:Consumed"]),
        0,
        "{log:#?}"
    );
    assert_no_gap(&by_tick(&log), Duration::from_millis(1000));
}

async fn a_fast_clock_cannot_declare_done_what_is_not_due(store: Fixture) {
    let events = EventLog::default();
    let fast =
        |scheduler: Scheduler| scheduler.clock(|| SystemTime::now() + Duration::from_secs(3));
    let local = Local::start(
        &store.location().locks(),
        every(1000),
        &events,
        fast,
        |_| async { Ok(()) },
    );
    let first = events.event("started", None, 0).await;
    // The first tick after the job was first seen, by the store's clock, which is no later than
    // now.
    let now = civic_lock::Tick::from(SystemTime::now()).as_millis();
    assert!(
        first.tick <= now + 1000,
        "{} is {} ms ahead",
        first.tick,
        first.tick - now
    );
    local.stop().await;
}

async fn a_clock_that_is_behind_goes_by_the_stores(store: Fixture) {
    let events = EventLog::default();
    let slow =
        |scheduler: Scheduler| scheduler.clock(|| SystemTime::now() - Duration::from_secs(3600));
    // By its own clock it would come an hour late for each of them.
    let job = every(500).misfire_grace(Duration::from_secs(20));
    let local = Local::start(&store.location().locks(), job, &events, slow, |_| async {
        Ok(())
    });
    events
        .until("three ticks have run", |log| {
            (count(log, &["ran"]) >= 3).then_some(())
        })
        .await;
    local.stop().await;
    assert_eq!(count(&events.log(), &["missed"]), 0);
    assert_no_gap(&by_tick(&events.log()), Duration::from_millis(500));
}
