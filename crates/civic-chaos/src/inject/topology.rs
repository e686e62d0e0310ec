//! What only servers in an arrangement do: a replica is promoted, a slot moves.

use std::io;
use std::time::Duration;

use civic_testkit::redis::Reply;
use tokio::time::sleep;

use super::injector::Injector;
use super::server::ask;
use crate::fault::Fault;
use crate::history::ServerState;
use crate::main_server::MainServer;
use crate::plan::Step;

/// How long one key may take from node to node.
const MIGRATE_MS: &str = "2000";

// ===== impl Injector =====

impl Injector {
    /// Makes the sentinels promote the replica. What the old primary has not passed on is lost, so
    /// the data counts as lost, from the moment at which the old primary goes until it comes back
    /// as the replica of the new one.
    pub(super) async fn failover(&self, step: &Step, server: &mut MainServer) {
        let MainServer::Sentinel(sentinel) = server else {
            return;
        };
        self.state(ServerState::Away);
        self.state(ServerState::Lost);
        if step.fault == Fault::FailoverFrozen {
            sentinel.primary.stop();
        } else {
            sentinel.primary.kill();
        }
        sentinel.until_failed_over().await;
        sleep(Duration::from_millis(step.lasts_ms)).await;
        if step.fault == Fault::FailoverFrozen {
            // It believes for a moment that it is the primary still.
            sentinel.primary.cont();
        } else {
            sentinel.primary.restart().await;
        }
        sentinel.swap().await;
        self.state(ServerState::Back);
    }

    /// Moves the slot of the group's lock, with all keys in it, to another node.
    pub(super) async fn reshard(&self, step: &Step, server: &MainServer) -> io::Result<()> {
        let MainServer::Cluster(cluster) = server else {
            return Ok(());
        };
        let (group, _) = &self.stage.groups[step.group];
        let key = format!("lock:{}", group.lock);
        let home = server.home_of(&key).await?;
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
