//! The platform's Node services take the same locks.

use std::time::Duration;

use civic_lock::{ErrorKind, LeaseEnd, Outcome};
use civic_testkit::redis::{RedisServer, Reply};

use crate::support::lock::{MINUTE, acquired, busy, eventually, ran, unavailable};
use crate::support::store::Fixture;

/// What ioredis 5 was seen to send: `SET <key> <pid>:<millis> EX <seconds> NX`, and this.
const NODE_RELEASE: &str = r#"if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end"#;
const NODE_KEY: &str = "lock:cron:penalty-calculation";
const NODE_VALUE: &str = "19178:1795342347635";
const NAME: &str = "cron:penalty-calculation";

async fn node_takes(server: &RedisServer) -> Reply {
    server
        .command(&["set", NODE_KEY, NODE_VALUE, "EX", "30", "NX"])
        .await
}

async fn node_releases(server: &RedisServer) -> Reply {
    server
        .command(&["eval", NODE_RELEASE, "1", NODE_KEY, NODE_VALUE])
        .await
}

fn server(store: &Fixture) -> &RedisServer {
    match store {
        Fixture::Redis(server) => server,
        Fixture::Host(_) => unreachable!("Node peers use Redis"),
    }
}

#[tokio::test]
async fn a_lock_that_a_node_peer_holds_excludes_us() {
    let store = Fixture::redis().await;
    let (server, ours) = (server(&store), store.replica());
    assert_eq!(node_takes(server).await.text(), "OK");
    let (holder, ttl) = busy(ours.try_acquire(NAME, MINUTE).await);
    assert_eq!(holder, NODE_VALUE);
    let left = ttl.expect("it has one");
    assert!(left > Duration::from_secs(20) && left <= Duration::from_secs(30));
    assert_eq!(node_releases(server).await, Reply::Int(1));
    drop(acquired(ours.try_acquire(NAME, MINUTE).await));
}

#[tokio::test]
async fn a_lock_that_we_hold_excludes_a_node_peer_which_cannot_remove_it() {
    let store = Fixture::redis().await;
    let (server, ours) = (server(&store), store.replica());
    let outcome = ours
        .with_lock(NAME, MINUTE, async |lease| {
            assert_eq!(node_takes(server).await, Reply::Nil);
            assert_eq!(node_releases(server).await, Reply::Int(0));
            assert_eq!(
                server.command(&["GET", NODE_KEY]).await.text(),
                lease.holder()
            );
            assert!(server.command(&["PTTL", NODE_KEY]).await.int() > 50_000);
        })
        .await;
    assert_eq!(ran(outcome), ((), LeaseEnd::Kept));
    assert_eq!(node_takes(server).await.text(), "OK", "free again");
}

#[tokio::test]
async fn a_lease_that_ends_after_a_node_peer_took_over_leaves_its_lock_alone() {
    let store = Fixture::redis().await;
    let (server, ours) = (server(&store), store.replica());
    let guard = acquired(ours.try_acquire(NAME, MINUTE).await);
    server.command(&["DEL", NODE_KEY]).await;
    node_takes(server).await;
    assert_eq!(guard.release().await, LeaseEnd::Lost);
    assert_eq!(server.command(&["GET", NODE_KEY]).await.text(), NODE_VALUE);
}

#[tokio::test]
async fn a_foreign_lock_without_a_ttl_is_busy_without_a_ttl() {
    let store = Fixture::redis().await;
    server(&store).command(&["SET", NODE_KEY, "for ever"]).await;
    let outcome = store
        .replica()
        .with_lock(NAME, MINUTE, async |_| unreachable!())
        .await;
    assert!(
        matches!(&outcome, Outcome::Busy { holder, ttl: None } if holder == "for ever"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_key_of_another_type_is_unavailable_and_left_alone() {
    let store = Fixture::redis().await;
    let (server, ours) = (server(&store), store.replica());
    let fence = format!("{{{NODE_KEY}}}:fence");
    for key in [NODE_KEY, &fence] {
        server.command(&["LPUSH", key, "x"]).await;
        assert_eq!(
            unavailable(ours.try_acquire(NAME, MINUTE).await),
            ErrorKind::WrongType
        );
        assert_eq!(server.command(&["LLEN", key]).await, Reply::Int(1));
        let keys = server.command(&["DBSIZE"]).await;
        assert_eq!(keys, Reply::Int(1), "no lock is left behind");
        server.command(&["DEL", key]).await;
    }
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_scripts_is_told_them_again() {
    let store = Fixture::redis().await;
    let (server, ours) = (server(&store), store.replica());
    for _ in 0..3 {
        server.command(&["SCRIPT", "FLUSH"]).await;
        let guard = acquired(ours.try_acquire(NAME, MINUTE).await);
        server.command(&["SCRIPT", "FLUSH"]).await;
        assert_eq!(guard.release().await, LeaseEnd::Kept);
    }
}

#[tokio::test]
async fn a_server_without_memory_refuses_and_keeps_nothing_and_still_releases() {
    let store = Fixture::redis().await;
    let (server, ours) = (server(&store), store.replica());
    let guard = acquired(ours.try_acquire("other", MINUTE).await);
    server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(
        unavailable(ours.try_acquire(NAME, MINUTE).await),
        ErrorKind::Refused
    );
    assert_eq!(server.command(&["EXISTS", NODE_KEY]).await, Reply::Int(0));
    assert_eq!(guard.release().await, LeaseEnd::Kept);
    assert_eq!(
        server.command(&["EXISTS", "lock:other"]).await,
        Reply::Int(0)
    );
    server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    drop(acquired(ours.try_acquire(NAME, MINUTE).await));
}

#[tokio::test]
async fn a_server_that_became_read_only_is_unavailable_until_it_is_not() {
    let store = Fixture::redis().await;
    let (server, ours) = (server(&store), store.replica());
    acquired(ours.try_acquire(NAME, MINUTE).await)
        .release()
        .await;
    server.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    // Which of the two is a race between the reply and the reconnection that it starts.
    let kind = unavailable(ours.try_acquire(NAME, MINUTE).await);
    assert!(
        matches!(
            kind,
            ErrorKind::Refused | ErrorKind::Connection | ErrorKind::Timeout
        ),
        "{kind:?}"
    );
    server.command(&["REPLICAOF", "NO", "ONE"]).await;
    eventually("it works again", async || {
        matches!(
            ours.try_acquire(NAME, MINUTE).await,
            civic_lock::Acquisition::Acquired(_)
        )
    })
    .await;
}
