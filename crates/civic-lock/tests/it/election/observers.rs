//! Observers: who leads, as seen from any process.

use std::time::Duration;

use civic_lock::{Leader, LockService, Observation};
use civic_testkit::redis::RedisServer;

use crate::support::election::{NAME, candidate, elected, observed};
use crate::support::lock::{MINUTE, acquired};
use crate::support::store::{Fixture, on_each_store};

on_each_store! {
    an_observer_sees_no_one_then_each_leader_with_its_fence,
    an_observer_that_does_not_campaign_sees_a_leader_of_another_process,
}

fn is_leader(observation: &Observation, holder: &str) -> bool {
    matches!(observation, Observation::Leader(Leader { holder: seen, .. }) if seen == holder)
}

async fn an_observer_sees_no_one_then_each_leader_with_its_fence(store: Fixture) {
    let (first, second) = (candidate(&store, MINUTE), candidate(&store, MINUTE));
    let mut observer = first.observe().expect("a runtime");
    assert_eq!(observer.changed().await, Observation::NoOne);
    for candidate in [&first, &second] {
        let leadership = elected(candidate).await;
        let holder = leadership.lease().holder().to_owned();
        let seen = observed(&mut observer, "the leader", |seen| is_leader(seen, &holder)).await;
        let Observation::Leader(leader) = seen else {
            unreachable!("it was just seen")
        };
        assert_eq!(leader.fence, Some(leadership.fence()));
        leadership.resign().await;
    }
    observed(&mut observer, "no one", |seen| *seen == Observation::NoOne).await;
}

/// On one thread, so that the store is not asked before this test waits.
#[tokio::test]
async fn before_the_store_was_asked_it_is_unknown_who_leads() {
    let store = Fixture::host();
    let mut observer = candidate(&store, MINUTE).observe().expect("a runtime");
    assert_eq!(observer.current(), Observation::Unknown);
    assert_eq!(observer.changed().await, Observation::NoOne);
}

async fn an_observer_that_does_not_campaign_sees_a_leader_of_another_process(store: Fixture) {
    let leadership = elected(&candidate(&store, MINUTE)).await;
    let holder = leadership.lease().holder().to_owned();
    let mut observer = candidate(&store, MINUTE).observe().expect("a runtime");
    let mut copy = observer.clone();
    observed(&mut observer, "the leader", |seen| is_leader(seen, &holder)).await;
    drop(observer);
    drop(leadership);
    observed(&mut copy, "no one", |seen| *seen == Observation::NoOne).await;
}

#[tokio::test]
async fn a_peer_of_another_form_is_seen_without_a_fence() {
    let server = RedisServer::start().await;
    let service = LockService::redis(server.url()).expect("a valid URL");
    // A fence that belongs to no present holder.
    acquired(service.try_acquire(NAME, MINUTE).await)
        .release()
        .await;
    let node = "4711:1795668820000";
    server.command(&["SET", "lock:nightly", node]).await;
    let election = service.election(NAME, MINUTE).expect("a valid name");
    let mut observer = election.observe().expect("a runtime");
    let seen = observed(&mut observer, "the peer", |seen| is_leader(seen, node)).await;
    let Observation::Leader(leader) = seen else {
        unreachable!("it was just seen")
    };
    assert_eq!(leader.fence, None);
}

#[tokio::test]
async fn without_a_store_it_is_unknown_who_leads_until_the_store_is_back() {
    let mut server = RedisServer::start().await;
    let service = LockService::builder()
        .redis_url(server.url())
        .command_timeout(Duration::from_millis(500))
        .build()
        .expect("valid settings");
    let election = service.election(NAME, MINUTE).expect("a valid name");
    let mut observer = election.observe().expect("a runtime");
    observed(&mut observer, "no one", |seen| *seen == Observation::NoOne).await;
    server.kill();
    observed(&mut observer, "nothing", |seen| {
        *seen == Observation::Unknown
    })
    .await;
    server.restart().await;
    observed(&mut observer, "no one", |seen| *seen == Observation::NoOne).await;
}

#[tokio::test]
async fn a_leader_is_shown_without_a_store_until_its_lease_can_have_ended() {
    let mut server = RedisServer::start().await;
    let service = LockService::redis(server.url()).expect("a valid URL");
    let election = service
        .election(NAME, Duration::from_secs(2))
        .expect("a valid name");
    let leadership = elected(&election).await;
    let mut observer = election.observe().expect("a runtime");
    let holder = leadership.lease().holder().to_owned();
    observed(&mut observer, "the leader", |seen| is_leader(seen, &holder)).await;
    server.kill();
    assert_eq!(observer.changed().await, Observation::Unknown);
    assert!(leadership.check().is_err(), "it was told long before");
}
