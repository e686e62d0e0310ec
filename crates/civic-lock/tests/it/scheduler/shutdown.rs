//! What becomes of a tick when its replica shuts down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use civic_lock::{Delivery, Scheduler};
use tokio::sync::oneshot;

use crate::support::event_log::{EventLog, count};
use crate::support::local::{Local, every, tell};
use crate::support::store::{Fixture, on_each_store};

on_each_store! {
    work_that_drains_at_shutdown_is_not_handed_over,
    work_has_ended_before_its_tick_is_handed_over,
    work_that_may_run_at_most_once_is_lost_at_shutdown_and_says_so,
    dropping_the_scheduler_gives_the_tick_to_another_replica,
}

async fn work_that_drains_at_shutdown_is_not_handed_over(store: Fixture) {
    let events = EventLog::default();
    let drain = |scheduler: Scheduler| scheduler.drain(Duration::from_secs(30));
    let (go, gone) = oneshot::channel::<()>();
    let gone = Arc::new(tokio::sync::Mutex::new(Some(gone)));
    let local = Local::start(
        &store.location().locks(),
        every(200),
        &events,
        drain,
        move |_| {
            let gone = gone.clone();
            async move {
                let gone = gone.lock().await.take().expect("runs once");
                gone.await.map_err(std::io::Error::other)
            }
        },
    );
    let started = events.event("started", None, 0).await;
    local.stop.send(()).expect("running");
    go.send(()).expect("waiting");
    local.task.await.expect("no panic");
    let log = events.log();
    assert_eq!(count(&log, &["handed-over"]), 0);
    assert!(
        log.iter()
            .any(|record| record.event == "ran" && record.tick == started.tick)
    );
    assert_eq!(
        count(&log, &["started"]),
        1,
        "nothing is begun after the shutdown: {log:#?}"
    );
}

async fn work_has_ended_before_its_tick_is_handed_over(store: Fixture) {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let events = EventLog::default();
    let ended = Arc::new(AtomicBool::new(false));
    let (flag, seen, told) = (ended.clone(), ended.clone(), events.clone());
    let observe = move |scheduler: Scheduler| {
        scheduler.on_event(move |_, event| {
            if event.name() == "handed-over" {
                assert!(
                    seen.load(Ordering::SeqCst),
                    "handed over while the work was alive"
                );
            }
            tell(&told, event);
        })
    };
    let first = Local::start(
        &store.location().locks(),
        every(500),
        &events,
        observe,
        move |_| {
            let flag = Flag(flag.clone());
            async move {
                let _flag = flag;
                std::future::pending().await
            }
        },
    );
    let started = events.event("started", None, 0).await;
    first.stop().await;
    let handed_over = events.event("handed-over", None, 0).await;
    assert_eq!(handed_over.tick, started.tick);
    // And another replica goes on with it.
    let second = Local::start(
        &store.location().locks(),
        every(500),
        &events,
        |s| s,
        |_| async { Ok(()) },
    );
    let taken = events.event("took-over", None, 0).await;
    assert_eq!((taken.tick, taken.attempt), (started.tick, 2));
    assert!(taken.fence > started.fence);
    second.stop().await;
}

async fn work_that_may_run_at_most_once_is_lost_at_shutdown_and_says_so(store: Fixture) {
    let events = EventLog::default();
    let job = || every(500).delivery(Delivery::AtMostOnce);
    let locks = store.location().locks();
    let first = Local::start(&locks, job(), &events, |s| s, |_| std::future::pending());
    let started = events.event("started", None, 0).await;
    first.stop().await;
    let lost = events.event("lost:Released", None, 0).await;
    assert_eq!(lost.tick, started.tick);
    let second = Local::start(&locks, job(), &events, |s| s, |_| async { Ok(()) });
    let ran = events.event("ran", None, 0).await;
    assert!(ran.tick > started.tick, "it is not run again");
    second.stop().await;
    assert_eq!(count(&events.log(), &["handed-over", "took-over"]), 0);
}

async fn dropping_the_scheduler_gives_the_tick_to_another_replica(store: Fixture) {
    let events = EventLog::default();
    let first = Local::start(
        &store.location().locks(),
        every(500),
        &events,
        |s| s,
        |_| std::future::pending(),
    );
    let started = events.event("started", None, 0).await;
    first.task.abort();
    let second = Local::start(
        &store.location().locks(),
        every(500),
        &events,
        |s| s,
        |_| async { Ok(()) },
    );
    let taken = events.event("took-over", None, 0).await;
    assert_eq!((taken.tick, taken.attempt), (started.tick, 2));
    second.stop().await;
}
