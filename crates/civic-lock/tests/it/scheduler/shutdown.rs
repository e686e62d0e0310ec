//! What becomes of a tick when its replica shuts down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use civic_lock::{Delivery, LockService, LostReason, SHUTDOWN_BOUND, Scheduler};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::event_log::{EventLog, count};
use crate::support::local::{Local, every, hangs_once, tell};
use crate::support::lock::{MINUTE, acquired};
use crate::support::store::{Fixture, on_each_store};

on_each_store! {
    work_that_ends_within_the_shutdown_bound_is_not_handed_over,
    work_is_told_that_its_replica_shuts_down,
    leases_that_were_dropped_are_released_before_the_process_ends,
    leases_that_are_still_held_at_the_bound_are_told_and_released_last,
    work_has_ended_before_its_tick_is_handed_over,
    work_that_may_run_at_most_once_is_lost_at_shutdown_and_says_so,
    dropping_the_scheduler_gives_the_tick_to_another_replica,
}

async fn work_that_ends_within_the_shutdown_bound_is_not_handed_over(store: Fixture) {
    let events = EventLog::default();
    let bound = |scheduler: Scheduler| scheduler.shutdown_bound(Duration::from_secs(30));
    let (go, gone) = oneshot::channel::<()>();
    let gone = Arc::new(tokio::sync::Mutex::new(Some(gone)));
    let local = Local::start(
        &store.location().locks(),
        every(200),
        &events,
        bound,
        move |run| {
            let gone = gone.clone();
            async move {
                let gone = gone.lock().await.take().expect("runs once");
                run.shutdown().cancelled().await;
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

async fn work_is_told_that_its_replica_shuts_down(store: Fixture) {
    let events = EventLog::default();
    let bound = |scheduler: Scheduler| scheduler.shutdown_bound(Duration::from_secs(30));
    let local = Local::start(
        &store.location().locks(),
        every(200),
        &events,
        bound,
        |run| async move {
            run.shutdown().cancelled().await;
            // It may still do what the lease allows.
            run.lease().check().map_err(std::io::Error::other)
        },
    );
    let started = events.event("started", None, 0).await;
    local.stop().await;
    let ran = events.event("ran", None, 0).await;
    assert_eq!((ran.tick, ran.fence), (started.tick, started.fence));
    assert_eq!(count(&events.log(), &["started"]), 1);
}

async fn leases_that_were_dropped_are_released_before_the_process_ends(store: Fixture) {
    let locks = store.location().locks();
    for n in 0..20 {
        drop(acquired(
            locks.try_acquire(format!("lock-{n}"), MINUTE).await,
        ));
    }
    assert_eq!(locks.close(MINUTE).await, 0);
    let held = store.location().locks().admin().locks().await;
    assert_eq!(held.expect("the store answers"), []);
}

async fn leases_that_are_still_held_at_the_bound_are_told_and_released_last(store: Fixture) {
    let locks = store.location().locks();
    let guard = acquired(locks.try_acquire("told", MINUTE).await);
    let lease = guard.lease().clone();
    let work = tokio::spawn(async move {
        let told = guard.lease().lost().await;
        // What the work does when it is told comes before the lock is free.
        let other = store.location().locks().admin().lock("told").await;
        let seen = other.expect("the store answers").holder;
        assert_eq!(seen.as_deref(), Some(guard.lease().holder()));
        guard.release().await;
        (told, store)
    });
    assert_eq!(locks.close(Duration::ZERO).await, 0);
    assert!(lease.check().is_err());
    let (told, store) = work.await.expect("no panic");
    assert_eq!(told, LostReason::Released);
    let lock = store.location().locks().admin().lock("told").await;
    assert_eq!(lock.expect("the store answers").holder, None);

    // One that does not listen keeps its lock, and is counted.
    let deaf = acquired(locks.try_acquire("deaf", MINUTE).await);
    assert_eq!(locks.close(Duration::ZERO).await, 1);
    assert!(deaf.lease().check().is_err());
}

fn on_the_host() -> (tempfile::TempDir, LockService) {
    let folder = tempfile::tempdir().expect("a folder");
    let locks = LockService::builder()
        .host_folder(folder.path().join("locks"))
        .build()
        .expect("a service");
    (folder, locks)
}

#[tokio::test]
async fn work_has_fifteen_seconds_at_shutdown_and_its_tick_is_handed_over_then() {
    assert_eq!(SHUTDOWN_BOUND, Duration::from_secs(15));
    let (_folder, locks) = on_the_host();
    let events = EventLog::default();
    let observed = events.clone();
    let token = CancellationToken::new();
    let scheduler = Scheduler::new(&locks)
        .on_event(move |_, event| tell(&observed, event))
        .job(every(500), hangs_once())
        .expect("a job");
    let scheduler = tokio::spawn(scheduler.run(token.clone().cancelled_owned()));
    let started = events.event("started", None, 0).await;
    // From here on the clock of the runtime is ahead of that of the store, which is not needed any
    // more.
    tokio::time::pause();
    token.cancel();
    let began = Instant::now();
    scheduler.await.expect("no panic");
    let took = began.elapsed();
    assert!(took >= SHUTDOWN_BOUND, "{took:?}");
    // And what the store may take to answer.
    assert!(took <= SHUTDOWN_BOUND + Duration::from_secs(2), "{took:?}");
    let handed_over = events.event("handed-over", None, 0).await;
    assert_eq!(handed_over.tick, started.tick);
    assert_eq!(count(&events.log(), &["started"]), 1, "nothing is claimed");
}

#[tokio::test]
async fn one_token_ends_jobs_and_what_is_detached_and_the_leases_come_last() {
    let (_folder, locks) = on_the_host();
    let events = EventLog::default();
    let token = CancellationToken::new();
    let observed = events.clone();
    let scheduler = Scheduler::new(&locks)
        .on_event(move |_, event| tell(&observed, event))
        .job(every(200), |run| async move {
            run.shutdown().cancelled().await;
            Ok::<(), std::io::Error>(())
        })
        .expect("a job");
    let scheduler = tokio::spawn(scheduler.run(token.clone().cancelled_owned()));
    // An execution that no request waits for any more, under a lock of its own.
    let detached = tokio::spawn({
        let (locks, token) = (locks.clone(), token.clone());
        async move {
            let work = async |_| token.cancelled().await;
            locks.with_lock("detached", MINUTE, work).await
        }
    });
    events.event("started", None, 0).await;
    let admin = locks.admin();
    while admin.locks().await.expect("the store answers").len() < 2 {
        tokio::task::yield_now().await;
    }
    token.cancel();
    scheduler.await.expect("no panic");
    let outcome = detached.await.expect("no panic");
    assert!(
        matches!(
            outcome,
            civic_lock::Outcome::Ran {
                lease: civic_lock::LeaseEnd::Kept,
                ..
            }
        ),
        "{outcome:?}"
    );
    assert_eq!(locks.close(Duration::ZERO).await, 0);
    events.event("ran", None, 0).await;
    let held = admin.lock("detached").await.expect("the store answers");
    assert_eq!(held.holder, None);
}
