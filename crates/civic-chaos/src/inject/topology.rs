//! What only servers in an arrangement do: a replica is promoted, a slot moves.

use std::io;
use std::time::Duration;

use civic_testkit::redis::Reply;
use tokio::time::{sleep, timeout};

use super::injector::Injector;
use super::server::ask;
use crate::fault::Fault;
use crate::history::ServerState;
use crate::main_server::{DOWN_AFTER, MainServer, NEVER_DOWN};
use crate::plan::Step;

/// How long one key may take from node to node.
const MIGRATE_MS: &str = "2000";
/// How long a cluster may need to find that all its nodes are there.
const CLUSTER_LIMIT: Duration = Duration::from_secs(10);

// ===== impl Injector =====

impl Injector {
    /// Makes the sentinels promote the replica. What the old primary has not passed on is lost, and
    /// so is what it is told later, until it is the replica of the new one.
    pub(super) async fn failover(&self, step: &Step, server: &mut MainServer) -> io::Result<()> {
        server.check_roles().await?;
        let MainServer::Sentinel(sentinel) = server else {
            return Ok(());
        };
        sentinel.set_down_after(DOWN_AFTER).await;
        self.state(ServerState::Away);
        if step.fault == Fault::FailoverFrozen {
            sentinel.primary.stop();
        } else {
            sentinel.primary.kill();
        }
        self.state(ServerState::Replaced);
        sentinel.until_failed_over().await;
        self.state(ServerState::Back);
        sentinel.set_down_after(NEVER_DOWN).await;
        sleep(Duration::from_millis(step.lasts_ms)).await;
        if step.fault == Fault::FailoverFrozen {
            // It believes for a moment that it is the primary still.
            self.state(ServerState::Stale);
            sentinel.primary.cont();
        } else {
            sentinel.primary.restart().await;
        }
        sentinel.swap().await;
        self.state(ServerState::Back);
        Ok(())
    }

    /// Moves the slot of the group's lock, with all keys in it, to another node.
    pub(super) async fn reshard(&self, step: &Step, server: &MainServer) -> io::Result<()> {
        let MainServer::Cluster(cluster) = server else {
            return Ok(());
        };
        let (group, _) = &self.stage.groups[step.group];
        let key = format!("lock:{}", group.lock);
        // The cluster is down for a moment after one of its nodes was.
        let home = timeout(CLUSTER_LIMIT, async {
            loop {
                match server.home_of(&key).await {
                    Ok(home) => return home,
                    Err(_) => sleep(Duration::from_millis(50)).await,
                }
            }
        })
        .await?;
        let from = cluster.nodes.iter().position(|node| node.addr() == home);
        let from = from.unwrap_or_default();
        let to = (from + 1) % cluster.nodes.len();
        let (source, target) = (&cluster.nodes[from], &cluster.nodes[to]);
        let slot = ask(source, &["CLUSTER", "KEYSLOT", &key]).await?;
        let slot = slot.int().to_string();
        let source_id = ask(source, &["CLUSTER", "MYID"]).await?;
        let target_id = ask(target, &["CLUSTER", "MYID"]).await?;
        for (node, state, other) in [
            (target, "IMPORTING", &source_id),
            (source, "MIGRATING", &target_id),
        ] {
            ask(node, &["CLUSTER", "SETSLOT", &slot, state, other.text()]).await?;
        }
        let port = target.port().to_string();
        loop {
            let Reply::Array(keys) = ask(source, &["CLUSTER", "GETKEYSINSLOT", &slot, "8"]).await?
            else {
                break;
            };
            if keys.is_empty() {
                break;
            }
            for key in &keys {
                let words = ["MIGRATE", "127.0.0.1", &port, key.text(), "0", MIGRATE_MS];
                ask(source, &words).await?;
                sleep(Duration::from_millis(step.lasts_ms / 4)).await;
            }
        }
        let others = (0..cluster.nodes.len()).filter(|&index| index != to);
        for index in [to].into_iter().chain(others) {
            let words = ["CLUSTER", "SETSLOT", &slot, "NODE", target_id.text()];
            ask(&cluster.nodes[index], &words).await?;
        }
        Ok(())
    }
}
