//! Whether a store keeps what it has acknowledged, as a service can ask.

use std::time::Duration;

use civic_lock::{Durability, LockService};
use civic_testkit::redis::{RedisCluster, RedisServer};

use crate::support::store::locks_at;

async fn durability(url: &str) -> Durability {
    locks_at(url).durability().await
}

#[tokio::test]
async fn only_a_server_that_syncs_each_write_keeps_what_it_has_acknowledged() {
    let default = RedisServer::start_with(&["--appendonly", "no"]).await;
    assert_eq!(durability(&default.url()).await, Durability::MayLose);
    let often = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let often = RedisServer::start_with(&often).await;
    assert_eq!(durability(&often.url()).await, Durability::MayLose);
    let always = ["--appendonly", "yes", "--appendfsync", "always"];
    let always = RedisServer::start_with(&always).await;
    assert_eq!(durability(&always.url()).await, Durability::Kept);
}

#[tokio::test]
async fn a_server_that_may_not_be_asked_is_unknown_and_is_asked_once() {
    let server = RedisServer::start().await;
    server
        .command(&[
            "ACL", "SETUSER", "app", "on", ">pw", "+@all", "-config", "~*", "&*",
        ])
        .await;
    let url = format!("redis://app:pw@{}", server.addr());
    let service = locks_at(url);
    for _ in 0..3 {
        assert_eq!(service.durability().await, Durability::Unknown);
    }
    let refused = server.command(&["INFO", "commandstats"]).await;
    let asked = refused
        .text()
        .lines()
        .find(|line| line.starts_with("cmdstat_config|get"))
        .map(str::to_owned);
    // Two settings, each asked for once.
    assert!(
        asked
            .as_deref()
            .is_some_and(|line| line.contains("rejected_calls=2")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn acknowledged_replicas_count_and_so_do_files_and_a_store_that_is_away_is_unknown() {
    let nowhere = "redis://127.0.0.1:1";
    let builder = LockService::builder()
        .redis_url(nowhere)
        .command_timeout(Duration::from_millis(200));
    let acknowledged = builder.clone().replica_acks(1).build().expect("valid");
    assert_eq!(acknowledged.durability().await, Durability::Kept);
    let away = builder.build().expect("valid settings");
    assert_eq!(away.durability().await, Durability::Unknown);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let host = LockService::builder().host_folder(folder.path().join("locks"));
    let host = host.build().expect("a private folder");
    assert_eq!(host.durability().await, Durability::Kept);
}

#[tokio::test]
async fn every_primary_of_a_cluster_is_asked() {
    let cluster = RedisCluster::start(3).await;
    for node in &cluster.nodes[..2] {
        for setting in [["appendonly", "yes"], ["appendfsync", "always"]] {
            node.command(&["CONFIG", "SET", setting[0], setting[1]])
                .await;
        }
    }
    let third = &cluster.nodes[2];
    third.command(&["CONFIG", "SET", "appendonly", "no"]).await;
    assert_eq!(durability(&cluster.url()).await, Durability::MayLose);
    for setting in [["appendonly", "yes"], ["appendfsync", "always"]] {
        third
            .command(&["CONFIG", "SET", setting[0], setting[1]])
            .await;
    }
    assert_eq!(durability(&cluster.url()).await, Durability::Kept);
}
