//! A cluster of primaries without replicas.

use std::time::{Duration, Instant};

use super::RedisServer;
use super::ports::free_port;

const SLOTS: u32 = 16_384;

/// Cluster nodes that share all slots among them.
#[derive(Debug)]
pub struct RedisCluster {
    /// The nodes, in the order of their slots.
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts `count` nodes and waits until each of them says that the cluster is up.
    ///
    /// # Panics
    ///
    /// Panics if there is no redis-server, or when the cluster is not up within two minutes.
    pub async fn start(count: u32) -> Self {
        Self::start_with(count, &[]).await
    }

    /// Starts `count` nodes with further arguments, such as `["--appendonly", "yes"]`.
    ///
    /// # Panics
    ///
    /// Panics as [`start`](Self::start).
    pub async fn start_with(count: u32, arguments: &[&str]) -> Self {
        let mut nodes = Vec::new();
        let mut bus = Vec::new();
        for _ in 0..count {
            let port = free_port().to_string();
            let cluster = ["--cluster-enabled", "yes", "--cluster-port", &port];
            nodes.push(RedisServer::start_with(&[&cluster, arguments].concat()).await);
            bus.push(port);
        }
        let first = &nodes[0];
        for (index, node) in (0..).zip(&nodes) {
            let from = (index * SLOTS / count).to_string();
            let to = ((index + 1) * SLOTS / count - 1).to_string();
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &from, &to])
                .await;
            // Two nodes of one epoch would have to settle who is right.
            let epoch = (index + 1).to_string();
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        }
        for (node, bus) in nodes.iter().zip(&bus).skip(1) {
            let port = node.port().to_string();
            first
                .command(&["CLUSTER", "MEET", "127.0.0.1", &port, bus])
                .await;
        }
        let began = Instant::now();
        for node in &nodes {
            loop {
                let info = node.command(&["CLUSTER", "INFO"]).await;
                let known = format!("cluster_known_nodes:{count}");
                let has = |line: &str| info.text().lines().any(|has| has == line);
                if has("cluster_state:ok") && has("cluster_slots_ok:16384") && has(&known) {
                    break;
                }
                assert!(
                    began.elapsed() < Duration::from_secs(120),
                    "the cluster does not come up: {info:?}"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Self { nodes }
    }

    /// Returns `redis-cluster://…`, with the first node.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis-cluster://{}", self.nodes[0].addr())
    }
}
