//! What becomes of leaders and candidates when the store or the network fails.

use std::time::Duration;

use civic_lock::{LeaseEnd, LockService, LostReason};
use civic_testkit::proxy::{Fault, FaultProxy};
use civic_testkit::redis::RedisServer;

use crate::support::election::{NAME, elected};
use crate::support::lock::{MINUTE, lost};
use crate::support::store::locks_at;

#[tokio::test]
async fn a_leader_without_a_store_is_told_before_its_lease_ends_there() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let service = LockService::redis(proxy.redis_url()).expect("a valid URL");
    let election = service
        .election(NAME, Duration::from_secs(3))
        .expect("a valid name");
    let leadership = elected(&election).await;
    proxy.set(Fault::BlackHole);
    assert_eq!(lost(leadership.lease()).await, LostReason::Expired);
    assert!(!election.is_leader());
    assert_eq!(leadership.resign().await, LeaseEnd::Lost);
}

#[tokio::test]
async fn a_leader_that_is_cut_off_leads_no_more_when_another_one_is_elected() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let cut_off = LockService::redis(proxy.redis_url())
        .expect("a valid URL")
        .election(NAME, Duration::from_secs(2))
        .expect("a valid name");
    let leadership = elected(&cut_off).await;
    proxy.set(Fault::BlackHole);
    let rival = locks_at(server.url())
        .election(NAME, MINUTE)
        .expect("a valid name");
    let follower = elected(&rival).await;
    assert!(!cut_off.is_leader() && rival.is_leader());
    assert!(leadership.check().is_err());
    assert!(follower.fence() > leadership.fence());
}

#[tokio::test]
async fn candidates_outlive_an_outage_and_one_is_elected_after_it() {
    let mut server = RedisServer::start().await;
    let leader = locks_at(server.url())
        .election(NAME, Duration::from_secs(2))
        .expect("a valid name");
    let leadership = elected(&leader).await;
    let service = LockService::builder()
        .redis_url(server.url())
        .command_timeout(Duration::from_millis(500))
        .build()
        .expect("valid settings");
    let election = service.election(NAME, MINUTE).expect("a valid name");
    let campaign = {
        let election = election.clone();
        tokio::spawn(async move { elected(&election).await })
    };
    server.kill();
    assert_eq!(lost(leadership.lease()).await, LostReason::Expired);
    assert!(!leader.is_leader() && !election.is_leader());
    server.restart().await;
    campaign.await.expect("it is elected").resign().await;
}

#[tokio::test]
async fn an_election_whose_answer_is_lost_keeps_no_one_out() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let service = LockService::builder()
        .redis_url(proxy.redis_url())
        .command_timeout(Duration::from_millis(500))
        .build()
        .expect("valid settings");
    let election = service.election(NAME, 10 * MINUTE).expect("a valid name");
    // Connected, its scripts known: what follows is one command.
    elected(&election).await.resign().await;
    proxy.set(Fault::DropReply);
    let campaign = {
        let election = election.clone();
        tokio::spawn(async move { elected(&election).await })
    };
    while server.command(&["EXISTS", "lock:nightly"]).await.int() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!election.is_leader(), "it does not know");
    proxy.set(Fault::Pass);
    let leadership = campaign.await.expect("it is elected");
    assert_eq!(leadership.check(), Ok(()));
}
