//! Callers that wait for the end of another one.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use civic_lock::{Delivery, LockEvent, OnceOutcome};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use crate::support::lock::MINUTE;
use crate::support::once::{in_doubt, ran_once, running, started};
use crate::support::store::{Fixture, PATIENCE, on_each_store};

on_each_store! {
    waiters_get_the_recorded_result_of_the_one_that_runs,
    a_wait_ends_with_running_and_no_wait_asks_once,
    a_waiter_runs_what_another_has_failed_at,
    a_waiter_is_told_of_a_doubt,
}

async fn waiters_get_the_recorded_result_of_the_one_that_runs(store: Fixture) {
    let runs = Arc::new(AtomicU32::new(0));
    let mut callers = JoinSet::new();
    // Three replicas with four callers each.
    for _ in 0..3 {
        let service = store.replica();
        for _ in 0..4 {
            let (service, runs) = (service.clone(), runs.clone());
            callers.spawn(async move {
                let request = service.once("migration").wait(MINUTE);
                let outcome = request.run(|_| async {
                    runs.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    Ok::<_, Infallible>("the result".to_owned())
                });
                match outcome.await {
                    OnceOutcome::Ran { value, .. } | OnceOutcome::AlreadyDone { value, .. } => {
                        value
                    }
                    other => panic!("{other:?}"),
                }
            });
        }
    }
    let values = callers.join_all().await;
    assert_eq!(values, vec!["the result"; 12]);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

async fn a_wait_ends_with_running_and_no_wait_asks_once(store: Fixture) {
    let (ours, other) = (store.replica(), store.replica());
    let run = started(ours.once("migration").begin().await);
    let holder = running(other.once("migration").begin().await);
    assert_eq!(holder, run.lease().holder());
    let wait = Duration::from_millis(300);
    let began = Instant::now();
    running(other.once("migration").wait(wait).begin().await);
    assert!(began.elapsed() >= wait, "{:?}", began.elapsed());
    let outcome = other.once("migration").wait(Duration::ZERO);
    let outcome = outcome.run(async |_| Ok::<(), Infallible>(())).await;
    assert!(
        matches!(outcome, OnceOutcome::Running { .. }),
        "{outcome:?}"
    );
}

async fn a_waiter_runs_what_another_has_failed_at(store: Fixture) {
    let (ours, other) = (store.replica(), store.replica());
    let (begin, begun) = oneshot::channel::<()>();
    let (fail, failed) = oneshot::channel::<()>();
    let first = tokio::spawn(async move {
        let request = ours.once("migration").delivery(Delivery::AtMostOnce);
        let work = request.run(|_| async move {
            begin.send(()).expect("the test waits");
            failed.await.expect("it is told to fail");
            Err::<u8, _>("no disk")
        });
        work.await
    });
    begun.await.expect("it begins");
    let waiter = tokio::spawn(async move {
        let request = other.once("migration").wait(MINUTE);
        ran_once(request.run(|_| async { Ok::<_, Infallible>(7) }).await)
    });
    fail.send(()).expect("it runs");
    let first = first.await.expect("no panic");
    assert!(matches!(first, OnceOutcome::Failed("no disk")), "{first:?}");
    assert_eq!(waiter.await.expect("no panic"), 7);
}

async fn a_waiter_is_told_of_a_doubt(store: Fixture) {
    let waits = Arc::new(Notify::new());
    let told = waits.clone();
    let other = store
        .location()
        .builder()
        .command_timeout(PATIENCE)
        .on_event(move |event| {
            if let LockEvent::Busy { .. } = event {
                told.notify_one();
            }
        })
        .build()
        .expect("valid settings");
    let ours = store.replica();
    let run = started(
        ours.once("payment")
            .delivery(Delivery::AtMostOnce)
            .begin()
            .await,
    );
    let waiter = tokio::spawn(async move { other.once("payment").wait(MINUTE).begin().await });
    // It has asked, and another one has the key.
    waits.notified().await;
    let holder = run.lease().holder().to_owned();
    drop(run);
    assert_eq!(in_doubt(waiter.await.expect("no panic")), (holder, 1));
}
