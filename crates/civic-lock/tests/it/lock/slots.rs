//! Locks in a Cluster whose slots move from one node to another.

use std::time::Duration;

use civic_lock::{ErrorKind, LeaseEnd, LockService, LostReason, Outcome};
use civic_testkit::redis::{RedisCluster, RedisServer};
use tokio::net::TcpStream;

use crate::support::lock::{MINUTE, acquired, busy, eventually, lost, say, until_acquired};
use crate::support::store::PATIENCE;

const KEY: &str = "lock:nightly";
const FENCE: &str = "{lock:nightly}:fence";

/// A cluster, and the slot of one lock in it.
struct Moving {
    cluster: RedisCluster,
    slot: String,
    /// Their ids in the cluster.
    source: String,
    target: String,
}

impl Moving {
    async fn start() -> Self {
        let cluster = RedisCluster::start(3).await;
        let id = async |node: &RedisServer| {
            let id = node.command(&["CLUSTER", "MYID"]).await;
            id.text().to_owned()
        };
        let (source, target) = (id(&cluster.nodes[0]).await, id(&cluster.nodes[1]).await);
        let slot = cluster.nodes[0].command(&["CLUSTER", "KEYSLOT", KEY]).await;
        let slot = slot.int();
        assert!(slot <= 5460, "the first node has it: {slot}");
        Self {
            cluster,
            slot: slot.to_string(),
            source,
            target,
        }
    }

    fn service(&self) -> LockService {
        LockService::builder()
            .redis_url(self.cluster.url())
            .command_timeout(PATIENCE)
            .build()
            .expect("valid settings")
    }

    fn source(&self) -> &RedisServer {
        &self.cluster.nodes[0]
    }

    fn target(&self) -> &RedisServer {
        &self.cluster.nodes[1]
    }

    async fn begin(&self) {
        for (node, state, other) in [
            (self.target(), "IMPORTING", &self.source),
            (self.source(), "MIGRATING", &self.target),
        ] {
            let words = ["CLUSTER", "SETSLOT", &self.slot, state, other];
            assert_eq!(node.command(&words).await.text(), "OK");
        }
    }

    async fn move_key(&self, key: &str) {
        let port = self.target().port().to_string();
        let words = ["MIGRATE", "127.0.0.1", &port, key, "0", "1000"];
        assert_eq!(self.source().command(&words).await.text(), "OK");
    }

    async fn end(&self) {
        for node in [self.target(), self.source(), &self.cluster.nodes[2]] {
            let words = ["CLUSTER", "SETSLOT", &self.slot, "NODE", &self.target];
            assert_eq!(node.command(&words).await.text(), "OK");
        }
    }

    /// How often a lease was renewed there.
    async fn renewals(node: &RedisServer) -> u32 {
        let stats = node.command(&["INFO", "commandstats"]).await;
        stats
            .text()
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_pexpire:calls="))
            .and_then(|rest| rest.split(',').next()?.parse().ok())
            .unwrap_or_default()
    }
}

#[tokio::test]
async fn a_lease_is_kept_when_its_slot_moves_to_another_node() {
    let moving = Moving::start().await;
    let (ours, theirs) = (moving.service(), moving.service());
    let guard = acquired(ours.try_acquire("nightly", Duration::from_secs(6)).await);
    let (fence, holder) = (guard.lease().fence(), guard.lease().holder().to_owned());

    moving.begin().await;
    eventually("renewed while its key is at the old node", async || {
        assert_eq!(guard.lease().check(), Ok(()));
        Moving::renewals(moving.source()).await > 0
    })
    .await;
    assert_eq!(busy(theirs.try_acquire("nightly", MINUTE).await).0, holder);
    moving.move_key(KEY).await;
    moving.move_key(FENCE).await;
    moving.end().await;

    // MOVED is followed in the same call.
    assert_eq!(busy(theirs.try_acquire("nightly", MINUTE).await).0, holder);
    eventually("renewed twice at the new node", async || {
        assert_eq!(guard.lease().check(), Ok(()));
        Moving::renewals(moving.target()).await >= 2
    })
    .await;
    assert_eq!(busy(theirs.try_acquire("nightly", MINUTE).await).0, holder);
    assert_eq!(guard.release().await, LeaseEnd::Kept);
    let next = acquired(theirs.try_acquire("nightly", MINUTE).await);
    assert!(next.lease().fence() > fence);
    assert_eq!(
        moving.target().command(&["GET", KEY]).await.text(),
        next.lease().holder()
    );
}

#[tokio::test]
async fn a_holder_whose_slot_is_on_its_way_for_too_long_is_told_in_time_and_nobody_else_gets_the_lock()
 {
    let moving = Moving::start().await;
    let (ours, theirs) = (moving.service(), moving.service());
    // It is told more than a second before the key expires.
    let guard = acquired(ours.try_acquire("nightly", Duration::from_secs(10)).await);
    let lease = guard.lease().clone();
    drop(acquired(
        theirs.try_acquire("nightly at once", MINUTE).await,
    ));
    let refused = async |words: &str| {
        let outcome = theirs
            .with_lock("nightly", MINUTE, async |_| unreachable!())
            .await;
        let Outcome::Unavailable(error) = outcome else {
            panic!("{words}: {outcome:?}")
        };
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };

    moving.begin().await;
    moving.move_key(KEY).await;
    refused("TRYAGAIN").await;
    moving.move_key(FENCE).await;
    refused("the slot of the lock is being moved to another node of the cluster").await;

    assert_eq!(lost(&lease).await, LostReason::Expired);
    let mut target = TcpStream::connect(moving.target().addr())
        .await
        .expect("it listens");
    assert_eq!(say(&mut target, "ASKING").await, "+OK");
    let left = say(&mut target, &format!("PTTL {KEY}")).await;
    assert!(
        !left.starts_with(":-"),
        "told before the key expires: {left}"
    );
    refused("is being moved").await;

    moving.end().await;
    let (next, _) = until_acquired(&theirs, "nightly").await;
    assert!(next.lease().fence() > lease.fence());
    // The late end of the one that was lost leaves it alone.
    assert_eq!(guard.release().await, LeaseEnd::Lost);
    assert_eq!(next.release().await, LeaseEnd::Kept);
    drop(acquired(ours.try_acquire("nightly", MINUTE).await));
}
