//! Replicas, Sentinel and Cluster.

use std::time::{Duration, Instant};

use civic_lock::{Acquisition, ErrorKind, LeaseEnd, LockService};
use civic_testkit::redis::{RedisCluster, RedisSentinel, RedisServer, Reply};

use crate::support::lock::{MINUTE, acquired, eventually, unavailable};

fn service(url: &str, acks: u32) -> LockService {
    LockService::builder()
        .redis_url(url)
        .replica_acks(acks)
        .command_timeout(Duration::from_secs(5))
        .build()
        .expect("valid settings")
}

#[tokio::test]
async fn a_lock_that_no_replica_acknowledges_is_not_taken() {
    let primary = RedisServer::start().await;
    let replica = RedisServer::replica_of(&primary).await;
    let ours = service(&primary.url(), 1);
    let guard = acquired(ours.try_acquire("nightly", MINUTE).await);
    let copy = replica.command(&["GET", "lock:nightly"]).await;
    assert_eq!(copy.text(), guard.lease().holder(), "it was there in time");
    guard.release().await;

    replica.stop();
    let began = Instant::now();
    assert_eq!(
        unavailable(ours.try_acquire("nightly", MINUTE).await),
        ErrorKind::NotReplicated
    );
    assert!(began.elapsed() < MINUTE / 2, "{:?}", began.elapsed());
    // No one has it then.
    eventually("it was released", async || {
        primary.command(&["EXISTS", "lock:nightly"]).await == Reply::Int(0)
    })
    .await;
    replica.cont();
    eventually("it works again", async || {
        matches!(
            ours.try_acquire("nightly", MINUTE).await,
            Acquisition::Acquired(_)
        )
    })
    .await;
}

#[tokio::test]
async fn more_replicas_than_there_are_are_never_enough() {
    let primary = RedisServer::start().await;
    let _replica = RedisServer::replica_of(&primary).await;
    let ours = service(&primary.url(), 2);
    assert_eq!(
        unavailable(ours.try_acquire("nightly", MINUTE).await),
        ErrorKind::NotReplicated
    );
}

#[tokio::test]
async fn a_sentinel_failover_is_followed_and_fences_grow_over_it() {
    // A primary that a busy machine keeps from answering is not dead.
    let mut sentinel = RedisSentinel::start_with(MINUTE).await;
    let ours = service(&sentinel.url(), 0);
    let guard = acquired(ours.try_acquire("nightly", MINUTE).await);
    let fence = guard.lease().fence();
    assert_eq!(guard.release().await, LeaseEnd::Kept);

    // A lock that the replica has never seen: it is stopped while the lock is taken, and cut off
    // before, as what waits in its socket would reach it later.
    sentinel.replica.stop();
    sentinel
        .primary
        .command(&["CLIENT", "KILL", "TYPE", "replica"])
        .await;
    let lost = acquired(ours.try_acquire("unreplicated", MINUTE).await);
    sentinel.primary.kill();
    sentinel.replica.cont();
    sentinel.set_down_after(Duration::from_secs(1)).await;
    sentinel.until_failed_over().await;
    let mut after = None;
    eventually("the new primary is found", async || {
        if let Acquisition::Acquired(guard) = ours.try_acquire("nightly", MINUTE).await {
            after = Some(guard);
        }
        after.is_some()
    })
    .await;
    let after = after.expect("it was acquired");
    assert!(after.lease().fence() > fence);

    // The failover has forgotten it, and another holder gets it: fences are for that.
    let theirs = service(&sentinel.url(), 0);
    let other = acquired(theirs.try_acquire("unreplicated", MINUTE).await);
    assert!(other.lease().fence() > lost.lease().fence());
    assert_eq!(lost.release().await, LeaseEnd::Lost);
}

#[tokio::test]
async fn a_cluster_keeps_all_keys_of_a_lock_on_one_node() {
    let cluster = RedisCluster::start(3).await;
    let (ours, theirs) = (service(&cluster.url(), 0), service(&cluster.url(), 0));
    let mut used = [0; 3];
    for n in 0..24 {
        let name = format!("job {n}");
        let guard = acquired(ours.try_acquire(&name, MINUTE).await);
        assert!(matches!(
            theirs.try_acquire(&name, MINUTE).await,
            Acquisition::Busy { .. }
        ));
        for (node, used) in cluster.nodes.iter().zip(&mut used) {
            let all = node.command(&["KEYS", &format!("*lock:{name}*")]).await;
            let Reply::Array(keys) = all else {
                panic!("{all:?}")
            };
            assert!(keys.len() == 2 || keys.is_empty(), "{keys:?}");
            *used += keys.len();
        }
        assert_eq!(guard.release().await, LeaseEnd::Kept);
    }
    assert!(used.iter().all(|&keys| keys > 0), "all nodes: {used:?}");
}
