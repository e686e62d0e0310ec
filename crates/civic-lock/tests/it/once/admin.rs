//! What an operator sees of executions, and does with them, on both stores.

use std::convert::Infallible;

use civic_lock::{
    Admin, Delivery, ErrorKind, OnceOutcome, OnceState, OnceStatus, ResolveOnce, ResolveOutcome,
};

use crate::support::lock::eventually;
use crate::support::once::{already_done, done, started};
use crate::support::store::{Fixture, on_each_store};

on_each_store! {
    executions_are_listed_once_and_read_some_at_a_time_with_their_states,
    an_operator_ends_only_the_attempt_that_was_seen,
    what_an_operator_has_ended_as_done_is_not_run_again,
    a_result_is_read_only_where_it_is_asked_for,
}

async fn all_records(admin: &Admin) -> Vec<OnceStatus> {
    let keys = admin.once_keys().await.expect("an answer");
    admin.once_records(&keys).await.expect("an answer")
}

async fn executions_are_listed_once_and_read_some_at_a_time_with_their_states(store: Fixture) {
    let service = store.replica();
    let admin = service.admin();
    assert_eq!(all_records(&admin).await, []);
    let begin =
        async |key: &str, delivery| started(service.once(key).delivery(delivery).begin().await);
    let done = begin("done", Delivery::AtMostOnce).await;
    done.complete(b"1").await.expect("it is recorded");
    begin("free", Delivery::AtMostOnce)
        .await
        .forget()
        .await
        .expect("it is forgotten");
    let runs = begin("runs", Delivery::AtMostOnce).await;
    drop(begin("doubt", Delivery::AtMostOnce).await);
    drop(begin("left", Delivery::AtLeastOnce).await);
    let _lock = service
        .try_acquire("a lock", crate::support::lock::MINUTE)
        .await;
    eventually("two are given back", async || {
        let state = async |key: &str| {
            let status = admin.once(key).await.expect("an answer");
            status.expect("it has a record").state
        };
        state("doubt").await == OnceState::InDoubt && state("left").await == OnceState::Abandoned
    })
    .await;

    let all = all_records(&admin).await;
    let seen: Vec<_> = all
        .iter()
        .map(|one| (one.key.as_str(), one.state))
        .collect();
    let expected = [
        ("done", OnceState::Done),
        ("doubt", OnceState::InDoubt),
        ("free", OnceState::Free),
        ("left", OnceState::Abandoned),
        ("runs", OnceState::Running),
    ];
    assert_eq!(seen, expected);
    let listed = admin.once_keys().await.expect("an answer");
    let mut paged = Vec::new();
    for page in listed.chunks(2) {
        paged.extend(admin.once_records(page).await.expect("an answer"));
    }
    // What is left of the ttl differs from look to look.
    let keys = |list: &[OnceStatus]| -> Vec<_> {
        list.iter()
            .map(|one| (one.key.clone(), one.state))
            .collect()
    };
    assert_eq!(keys(&paged), keys(&all));

    let running = &all[4];
    assert_eq!(running.holder, runs.lease().holder());
    assert_eq!((running.attempt, running.fence), (1, runs.lease().fence()));
    assert!(running.ttl.is_some() && running.completed.is_none());
    assert_eq!(running.delivery, Delivery::AtMostOnce);
    assert!(all[0].completed >= Some(all[0].begun) && all[0].ttl.is_none());
}

async fn an_operator_ends_only_the_attempt_that_was_seen(store: Fixture) {
    let service = store.replica();
    let admin = service.admin();
    let resolve = async |holder: &str, attempt, to| {
        let resolved = admin.resolve_once("payment", holder, attempt, to).await;
        resolved.expect("an answer")
    };
    let unknown = resolve("a", 1, ResolveOnce::Free).await;
    assert_eq!(unknown, ResolveOutcome::Unknown);
    let request = || service.once("payment").delivery(Delivery::AtMostOnce);
    let run = started(request().begin().await);
    let holder = run.lease().holder().to_owned();
    let runs = resolve(&holder, 1, ResolveOnce::Free).await;
    assert!(
        matches!(runs, ResolveOutcome::Running { ttl: Some(_) }),
        "{runs:?}"
    );
    drop(run);
    eventually("it is freed", async || {
        resolve(&holder, 1, ResolveOnce::Free).await == ResolveOutcome::Resolved
    })
    .await;
    let next = started(request().begin().await);
    assert_eq!(next.attempt(), 2);
    let stale = resolve(&holder, 1, ResolveOnce::Done).await;
    let ResolveOutcome::Changed {
        attempt, holder, ..
    } = stale
    else {
        panic!("{stale:?}")
    };
    assert_eq!((attempt, &*holder), (2, next.lease().holder()));
    next.complete(b"").await.expect("it is recorded, untouched");
    let refused = admin.resolve_once("", "a", 1, ResolveOnce::Done).await;
    assert_eq!(refused.expect_err("no key").kind(), ErrorKind::Name);
}

async fn what_an_operator_has_ended_as_done_is_not_run_again(store: Fixture) {
    let service = store.replica();
    let admin = service.admin();
    let request = || service.once("payment").delivery(Delivery::AtMostOnce);
    let run = started(request().begin().await);
    let holder = run.lease().holder().to_owned();
    drop(run);
    eventually("it is ended", async || {
        let resolved = admin
            .resolve_once("payment", &holder, 1, ResolveOnce::Done)
            .await;
        resolved.expect("an answer") == ResolveOutcome::Resolved
    })
    .await;
    let status = admin.once("payment").await.expect("an answer");
    assert_eq!(status.expect("a record").state, OnceState::Resolved);
    let record = done(request().begin().await);
    assert!(record.is_resolved() && record.result().is_empty());
    assert_eq!(record.completed_by(), holder, "whose end is unknown");
    already_done(request().run(async |_| Ok::<(), Infallible>(())).await);
    let number = request().run(async |_| Ok::<u8, Infallible>(1)).await;
    assert!(
        matches!(number, OnceOutcome::DoneWithoutResult { .. }),
        "{number:?}"
    );
}

async fn a_result_is_read_only_where_it_is_asked_for(store: Fixture) {
    let service = store.replica();
    let admin = service.admin();
    assert_eq!(admin.once("payment").await.expect("an answer"), None);
    assert_eq!(admin.once_result("payment").await.expect("an answer"), None);
    let run = started(service.once("payment").begin().await);
    assert_eq!(admin.once_result("payment").await.expect("an answer"), None);
    run.complete(b"Ada Lovelace").await.expect("it is recorded");
    let list = all_records(&admin).await;
    assert!(!format!("{list:?}").contains("Ada"));
    let record = admin.once_result("payment").await.expect("an answer");
    assert_eq!(record.expect("a result").result(), b"Ada Lovelace");
}
