//! What a replica does whose clock is not right.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use civic_lock::Scheduler;

use crate::support::event_log::{EventLog, assert_no_gap, by_tick, count};
use crate::support::local::{Local, every};
use crate::support::store::{Fixture, on_each_store};

on_each_store! {
    a_clock_that_is_far_ahead_waits_for_the_store,
    a_fast_clock_cannot_declare_done_what_is_not_due,
    a_clock_that_is_behind_goes_by_the_stores,
    a_clock_that_is_wrong_claims_nothing_and_misses_nothing_until_it_is_right,
    a_replica_that_starts_with_a_wrong_clock_registers_nothing,
}

async fn a_clock_that_is_far_ahead_waits_for_the_store(store: Fixture) {
    let events = EventLog::default();
    let ahead = Duration::from_secs(30);
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
        |scheduler: Scheduler| scheduler.clock(|| SystemTime::now() - Duration::from_secs(45));
    // By its own clock it would come 45 s late for each of them.
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

/// A clock that is wrong for as long as the test says so.
#[derive(Clone, Default)]
struct WrongClock(Arc<AtomicI64>);

impl WrongClock {
    fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }

    fn now(&self) -> SystemTime {
        let by = self.0.load(Ordering::SeqCst);
        let span = Duration::from_secs(by.unsigned_abs());
        if by < 0 {
            SystemTime::now() - span
        } else {
            SystemTime::now() + span
        }
    }
}

async fn a_clock_that_is_wrong_claims_nothing_and_misses_nothing_until_it_is_right(store: Fixture) {
    for wrong in [2 * 3600, -2 * 3600] {
        let events = EventLog::default();
        let clock = WrongClock::default();
        let used = clock.clone();
        let settings = move |scheduler: Scheduler| {
            scheduler
                .clock(move || used.now())
                .poll_cap(Duration::from_millis(100))
        };
        let locks = store.location().locks();
        let local = Local::start(&locks, every(2000), &events, settings, |_| async { Ok(()) });
        events.event("ran", None, 0).await;
        clock.set(wrong);
        events.event("clock-suspect", None, 0).await;
        let suspect = events.len();
        // Longer than an interval.
        crate::support::event_log::elapse(Duration::from_millis(2500)).await;
        let meanwhile = &events.log()[suspect..];
        assert_eq!(
            count(meanwhile, &["started", "missed"]),
            0,
            "{meanwhile:#?}"
        );
        clock.set(0);
        let right = SystemTime::now();
        let next = events.event("started", None, suspect).await;
        // A tick that was due meanwhile, or the first one after the correction.
        let latest = civic_lock::Tick::from(right).as_millis() + 2000;
        assert!(next.tick <= latest, "{latest}: {:#?}", events.log());
        events.event("ran", None, suspect).await;
        local.stop().await;
        assert_no_gap(&by_tick(&events.log()), Duration::from_millis(2000));
        assert_eq!(count(&events.log(), &["missed"]), 0);
    }
}

async fn a_replica_that_starts_with_a_wrong_clock_registers_nothing(store: Fixture) {
    let events = EventLog::default();
    let clock = WrongClock::default();
    clock.set(2 * 3600);
    let used = clock.clone();
    let settings = move |scheduler: Scheduler| {
        scheduler
            .clock(move || used.now())
            .poll_cap(Duration::from_millis(100))
    };
    let locks = store.location().locks();
    let local = Local::start(&locks, every(500), &events, settings, |_| async { Ok(()) });
    events.event("clock-suspect", None, 0).await;
    let right = civic_lock::Tick::from(SystemTime::now()).as_millis();
    clock.set(0);
    let first = events.event("started", None, 0).await;
    assert!(first.tick + 500 > right, "{} at {right}", first.tick);
    local.stop().await;
    assert_eq!(count(&events.log(), &["missed"]), 0);
}
