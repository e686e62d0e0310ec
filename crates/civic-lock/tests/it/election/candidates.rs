//! Candidates: who is elected, and how the others wait.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use civic_lock::{ErrorKind, LeaseEnd, LockEvent, LockService, OnUnavailable};
use civic_testkit::redis::RedisServer;
use rustix::process::Signal;

use crate::support::election::{Count, NAME, candidate, elected, is_pending};
use crate::support::holder::HolderProcess;
use crate::support::lock::{MINUTE, acquired, busy, until_acquired};
use crate::support::store::{Fixture, PATIENCE, on_each_store};

on_each_store! {
    one_candidate_leads_at_a_time_and_each_leader_has_a_larger_fence,
    a_leader_that_resigns_is_followed_long_before_its_ttl_is_over,
    a_leadership_that_is_dropped_is_a_resignation,
    a_leader_that_is_killed_is_followed,
    a_campaign_that_is_dropped_leaves_no_leader_behind,
    of_the_candidates_of_one_process_only_the_first_one_asks,
    a_holder_of_the_lock_keeps_candidates_out_and_a_leader_is_a_holder_of_it,
    a_candidate_that_has_resigned_may_be_elected_again,
}

async fn one_candidate_leads_at_a_time_and_each_leader_has_a_larger_fence(store: Fixture) {
    let candidates: Vec<_> = (0..5).map(|_| candidate(&store, MINUTE)).collect();
    let leading = || candidates.iter().filter(|one| one.is_leader()).count();
    assert_eq!(leading(), 0);
    let mut campaigns = tokio::task::JoinSet::new();
    for one in candidates.clone() {
        campaigns.spawn(async move { elected(&one).await });
    }
    let mut last = 0;
    for _ in 0..candidates.len() {
        let leadership = campaigns
            .join_next()
            .await
            .expect("one more")
            .expect("elected");
        assert_eq!(leading(), 1);
        assert!(leadership.fence() > last);
        last = leadership.fence();
        assert_eq!(leadership.check(), Ok(()));
        assert_eq!(leadership.resign().await, LeaseEnd::Kept);
    }
    assert_eq!(leading(), 0);
}

async fn a_leader_that_resigns_is_followed_long_before_its_ttl_is_over(store: Fixture) {
    // The test waits for a minute, and the lease lasts for ten.
    let (first, second) = (
        candidate(&store, 10 * MINUTE),
        candidate(&store, 10 * MINUTE),
    );
    let leadership = elected(&first).await;
    let follower = {
        let second = second.clone();
        tokio::spawn(async move { elected(&second).await })
    };
    leadership.resign().await;
    let follower = follower.await.expect("it is elected");
    assert!(second.is_leader() && !first.is_leader());
    drop(follower);
}

async fn a_leadership_that_is_dropped_is_a_resignation(store: Fixture) {
    let (first, second) = (
        candidate(&store, 10 * MINUTE),
        candidate(&store, 10 * MINUTE),
    );
    let leadership = elected(&first).await;
    assert!(first.is_leader());
    drop(leadership);
    assert!(!first.is_leader(), "at once");
    elected(&second).await.resign().await;
}

async fn a_leader_that_is_killed_is_followed(store: Fixture) {
    let (leader, fence) = HolderProcess::leading(&store, Duration::from_secs(3)).await;
    let ours = candidate(&store, MINUTE);
    leader.signal(Signal::KILL);
    let leadership = elected(&ours).await;
    assert!(leadership.fence() > fence);
}

async fn a_campaign_that_is_dropped_leaves_no_leader_behind(store: Fixture) {
    let (first, second) = (
        candidate(&store, 10 * MINUTE),
        candidate(&store, 10 * MINUTE),
    );
    for _ in 0..3 {
        {
            let mut campaign = pin!(first.campaign());
            assert!(is_pending(campaign.as_mut()).await);
            // Its acquire is on its way.
        }
        assert!(!first.is_leader());
    }
    elected(&second).await.resign().await;
}

async fn of_the_candidates_of_one_process_only_the_first_one_asks(store: Fixture) {
    let leader = elected(&candidate(&store, MINUTE)).await;
    let builder = store.location().builder().command_timeout(PATIENCE);
    let (service, asked) = Count::of(builder, |event| matches!(event, LockEvent::Busy { .. }));
    let campaign = || {
        let election = service.election(NAME, MINUTE).expect("a valid name");
        tokio::spawn(async move { elected(&election).await })
    };
    let first = campaign();
    asked.reaches(1).await;
    let others: Vec<_> = (0..20).map(|_| campaign()).collect();
    // The first one looks again after 2.5 s at least: all of them at once would be 21.
    asked.reaches(2).await;
    assert!(asked.get() < 10, "{} have asked", asked.get());
    for other in others {
        other.abort();
        // It is in the queue no more.
        let _ = other.await;
    }
    leader.resign().await;
    first.await.expect("it is elected").resign().await;
}

async fn a_holder_of_the_lock_keeps_candidates_out_and_a_leader_is_a_holder_of_it(store: Fixture) {
    let service = store.replica();
    let guard = acquired(service.try_acquire(NAME, MINUTE).await);
    let builder = store.location().builder().command_timeout(PATIENCE);
    let (ours, asked) = Count::of(builder, |event| matches!(event, LockEvent::Busy { .. }));
    let ours = ours.election(NAME, MINUTE).expect("a valid name");
    let campaign = {
        let ours = ours.clone();
        tokio::spawn(async move { elected(&ours).await })
    };
    asked.reaches(1).await;
    assert!(!ours.is_leader());
    guard.release().await;
    let leadership = campaign.await.expect("it is elected");
    let (holder, _) = busy(service.try_acquire(NAME, MINUTE).await);
    assert_eq!(holder, leadership.lease().holder());
    leadership.resign().await;
    drop(until_acquired(&service, NAME).await);
}

async fn a_candidate_that_has_resigned_may_be_elected_again(store: Fixture) {
    let ours = candidate(&store, MINUTE);
    let mut last = 0;
    for _ in 0..2 {
        let leadership = elected(&ours).await;
        assert!(leadership.fence() > last);
        last = leadership.fence();
        leadership.resign().await;
    }
}

#[tokio::test]
async fn a_name_or_a_ttl_that_is_wrong_is_refused_at_construction() {
    let folder = Fixture::host();
    let service = folder.replica();
    for (name, ttl, kind) in [
        ("", MINUTE, ErrorKind::Name),
        ("a{b}", MINUTE, ErrorKind::Name),
        (NAME, Duration::ZERO, ErrorKind::Config),
        (NAME, Duration::from_millis(499), ErrorKind::Config),
        (NAME, 7 * 24 * 60 * MINUTE + MINUTE, ErrorKind::Config),
    ] {
        let error = service.election(name, ttl).expect_err("refused");
        assert_eq!(error.kind(), kind, "{name} {ttl:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_a_lock_ends_the_campaign() {
    let server = RedisServer::start().await;
    server.command(&["LPUSH", "lock:nightly", "x"]).await;
    let service = LockService::redis(server.url()).expect("a valid URL");
    let election = service.election(NAME, MINUTE).expect("a valid name");
    let error = election.campaign().await.expect_err("not a lock");
    assert_eq!(error.kind(), ErrorKind::WrongType);
}

#[tokio::test]
async fn no_one_is_elected_without_a_store_even_if_the_service_fails_open() {
    let builder = LockService::builder()
        .redis_url("redis://127.0.0.1:1")
        .command_timeout(Duration::from_millis(50))
        .on_unavailable(OnUnavailable::FailOpen);
    let (service, failed) = Count::of(builder, |event| {
        matches!(event, LockEvent::Unavailable { .. })
    });
    let unavailable = service.try_acquire("another", MINUTE).await;
    assert!(
        !acquired(unavailable).lease().is_protected(),
        "it fails open"
    );
    let election = service.election(NAME, MINUTE).expect("a valid name");
    tokio::select! {
        leadership = election.campaign() => panic!("elected: {leadership:?}"),
        () = failed.reaches(4) => {}
    }
    assert!(!election.is_leader());
}

#[test]
fn a_campaign_and_an_observer_outside_of_a_runtime_are_errors_and_no_panic() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let service = LockService::builder()
        .host_folder(folder.path().join("locks"))
        .build()
        .expect("a private folder");
    let election = service.election(NAME, MINUTE).expect("a valid name");
    let mut context = Context::from_waker(Waker::noop());
    let campaign = pin!(election.campaign());
    match campaign.poll(&mut context) {
        Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::Config),
        other => panic!("{other:?}"),
    }
    let error = election.observe().expect_err("no runtime");
    assert_eq!(error.kind(), ErrorKind::Config);
}
