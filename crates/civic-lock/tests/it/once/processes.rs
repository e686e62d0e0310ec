//! Executors that die, and executors that are stopped.

use std::convert::Infallible;
use std::time::Duration;

use civic_lock::{Delivery, OnceBegun, OnceOutcome, ResolveOnce, ResolveOutcome};
use rustix::process::Signal;

use crate::support::holder::HolderProcess;
use crate::support::lock::{MINUTE, eventually};
use crate::support::once::{already_done, done, in_doubt, running, started};
use crate::support::store::{Fixture, PATIENCE, on_each_store};

on_each_store! {
    a_dead_at_least_once_holder_is_taken_over_with_a_larger_fence_and_attempt,
    a_dead_at_most_once_holder_is_in_doubt_until_an_operator_ends_it,
    a_doubt_ends_with_the_retention,
    a_stopped_executor_that_wakes_after_another_has_finished_overwrites_nothing,
    a_stopped_executor_that_wakes_first_ends_the_doubt_about_itself,
}

/// Longer than a busy machine keeps a holder from renewing.
const TTL: Duration = Duration::from_secs(4);

/// Asks until the holder of the key is gone.
async fn until_gone(store: &Fixture) -> OnceBegun {
    let service = store.replica();
    let mut gone = None;
    eventually("the holder is gone", async || {
        gone = match service.once("nightly").begin().await {
            OnceBegun::Running { .. } => None,
            other => Some(other),
        };
        gone.is_some()
    })
    .await;
    gone.expect("it was asked")
}

async fn a_dead_at_least_once_holder_is_taken_over_with_a_larger_fence_and_attempt(store: Fixture) {
    let (holder, fence) = HolderProcess::executing(&store, TTL, Delivery::AtLeastOnce).await;
    let service = store.replica();
    running(service.once("nightly").begin().await);
    holder.signal(Signal::KILL);
    let outcome = service
        .once("nightly")
        .wait(MINUTE)
        .run(async |attempt| {
            assert!(attempt.lease().fence() > fence);
            Ok::<_, Infallible>(attempt.number())
        })
        .await;
    assert!(
        matches!(outcome, OnceOutcome::Ran { value: 2, .. }),
        "{outcome:?}"
    );
    let again = service
        .once("nightly")
        .run(async |_| Ok::<u32, Infallible>(0));
    assert_eq!(already_done(again.await), 2);
}

async fn a_dead_at_most_once_holder_is_in_doubt_until_an_operator_ends_it(store: Fixture) {
    let (holder, _) = HolderProcess::executing(&store, TTL, Delivery::AtMostOnce).await;
    holder.signal(Signal::KILL);
    let (who, attempt) = in_doubt(until_gone(&store).await);
    let service = store.replica();
    let admin = service.admin();
    for _ in 0..3 {
        // Whatever a later call asks for, and however long it waits.
        let begun = service.once("nightly").wait(MINUTE).begin().await;
        assert_eq!(in_doubt(begun), (who.clone(), 1));
    }
    let freed = admin.resolve_once("nightly", &who, attempt, ResolveOnce::Free);
    assert_eq!(freed.await.expect("an answer"), ResolveOutcome::Resolved);
    let run = started(service.once("nightly").begin().await);
    assert_eq!(run.attempt(), 2);
    run.complete(b"1").await.expect("it is recorded");
}

async fn a_doubt_ends_with_the_retention(store: Fixture) {
    let service = store
        .location()
        .builder()
        .max_hold(Duration::from_secs(1))
        .command_timeout(PATIENCE)
        .build()
        .expect("valid settings");
    // A busy machine may not look at the doubt before it ends. Then the next one lasts longer.
    for retain in [2, 4, 8, 16, 32].map(Duration::from_secs) {
        let request = || {
            let request = service.once(format!("nightly-{}", retain.as_secs()));
            let request = request.delivery(Delivery::AtMostOnce);
            request.ttl(Duration::from_secs(1)).retain(retain)
        };
        drop(started(request().begin().await));
        let mut doubt = None;
        let mut next = None;
        eventually("the doubt ends", async || {
            match request().begin().await {
                // It is not given back yet.
                OnceBegun::Running { .. } => {}
                OnceBegun::InDoubt { since, .. } => doubt = Some(since),
                other => next = Some(started(other)),
            }
            next.is_some()
        })
        .await;
        // As if it had never been begun.
        assert_eq!(next.expect("it was started").attempt(), 1);
        if let Some(since) = doubt {
            let lasted = since
                .elapsed()
                .expect("the store's clock is this machine's");
            assert!(lasted >= retain, "{lasted:?}");
            return;
        }
    }
    panic!("no doubt was seen in 32 s");
}

async fn a_stopped_executor_that_wakes_after_another_has_finished_overwrites_nothing(
    store: Fixture,
) {
    let (holder, _) = HolderProcess::executing(&store, TTL, Delivery::AtLeastOnce).await;
    holder.signal(Signal::STOP);
    let run = started(until_gone(&store).await);
    let record = run.complete(b"first").await.expect("it is recorded");
    holder.signal(Signal::CONT);
    let (_holder, completed) = holder.line("completed ").await;
    assert_eq!(completed, "Err(Lost)");
    let read = done(store.replica().once("nightly").begin().await);
    assert_eq!(read, record);
}

async fn a_stopped_executor_that_wakes_first_ends_the_doubt_about_itself(store: Fixture) {
    let (holder, fence) = HolderProcess::executing(&store, TTL, Delivery::AtMostOnce).await;
    holder.signal(Signal::STOP);
    let (who, attempt) = in_doubt(until_gone(&store).await);
    holder.signal(Signal::CONT);
    let (_holder, completed) = holder.line("completed ").await;
    assert!(completed.starts_with("Ok("), "{completed}");
    let record = done(store.replica().once("nightly").begin().await);
    assert_eq!((record.result(), record.fence()), (&b"late"[..], fence));
    // What an operator has decided before that hits nothing.
    let admin = store.replica().admin();
    let late = admin
        .resolve_once("nightly", who, attempt, ResolveOnce::Free)
        .await;
    assert!(
        matches!(late, Ok(ResolveOutcome::Changed { .. })),
        "{late:?}"
    );
}
