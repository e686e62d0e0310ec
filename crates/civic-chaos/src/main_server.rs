//! The servers that all replicas on Redis share: one, or a primary with sentinels, or a cluster.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use civic_testkit::redis::{RedisCluster, RedisSentinel, RedisServer, Reply, command};
use tokio::time::{Instant, sleep};

use crate::topology::Topology;

/// Written data survives a SIGKILL; with fsync the run would depend on the load of the disk.
const KEEP: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "no"];
/// How long a primary must be silent to be replaced, when it is meant to be.
pub(crate) const DOWN_AFTER: Duration = Duration::from_secs(2);
/// The same at all other times. A machine that is busy, or clients that are paused, are not enough:
/// a failover of which the driver does not know would be taken for a fault of the lock.
pub(crate) const NEVER_DOWN: Duration = Duration::from_secs(600);
const NODES: u32 = 3;
/// How long the nodes of a cluster may need to find that all of them are there.
const READY: Duration = Duration::from_secs(10);

/// The servers that all replicas on Redis share.
#[derive(Debug)]
pub(crate) enum MainServer {
    Single(RedisServer),
    Sentinel(RedisSentinel),
    Cluster(RedisCluster),
}

// ===== impl MainServer =====

impl MainServer {
    pub(crate) async fn start(topology: Topology) -> Self {
        match topology {
            Topology::Single => Self::Single(RedisServer::start_with(&KEEP).await),
            Topology::Sentinel => Self::Sentinel(RedisSentinel::start_with(NEVER_DOWN).await),
            Topology::Cluster => Self::Cluster(RedisCluster::start_with(NODES, &KEEP).await),
        }
    }

    /// Returns the address of a single server: only there a proxy can stand in front, because the
    /// others tell their clients where to go.
    pub(crate) fn single(&self) -> Option<SocketAddr> {
        match self {
            Self::Single(server) => Some(server.addr()),
            Self::Sentinel(_) | Self::Cluster(_) => None,
        }
    }

    /// Returns the URL of a database. A cluster has one only.
    pub(crate) fn url(&self, db: u8) -> String {
        match self {
            Self::Single(server) => format!("{}/{db}", server.url()),
            Self::Sentinel(sentinel) => sentinel.url().replacen('?', &format!("/{db}?"), 1),
            Self::Cluster(cluster) => cluster.url(),
        }
    }

    /// Returns the servers that take writes.
    pub(crate) fn primaries(&self) -> Vec<&RedisServer> {
        match self {
            Self::Single(server) => vec![server],
            Self::Sentinel(sentinel) => vec![&sentinel.primary],
            Self::Cluster(cluster) => cluster.nodes.iter().collect(),
        }
    }

    /// Waits until all servers take commands, but not for longer than they may need. The nodes of a
    /// cluster refuse them for a moment after one of them was away.
    pub(crate) async fn until_ready(&self) {
        let Self::Cluster(cluster) = self else {
            return;
        };
        let began = Instant::now();
        for node in &cluster.nodes {
            while began.elapsed() < READY {
                // A node that reads its file answers with an error.
                if let Ok(Reply::Text(info)) = command(node.addr(), &["CLUSTER", "INFO"]).await
                    && info.contains("cluster_state:ok")
                {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Checks that the servers have the roles that this driver has given them.
    pub(crate) async fn check_roles(&self) -> io::Result<()> {
        match self {
            Self::Sentinel(sentinel) if !sentinel.is_agreed().await => Err(io::Error::other(
                "the sentinels have made a failover that was not planned, so the history says \
                 nothing: run it again on a machine that is less busy",
            )),
            _ => Ok(()),
        }
    }

    /// Returns one of those servers.
    pub(crate) fn one(&mut self, variant: u64) -> &mut RedisServer {
        match self {
            Self::Single(server) => server,
            Self::Sentinel(sentinel) => &mut sentinel.primary,
            Self::Cluster(cluster) => {
                let index = variant % cluster.nodes.len() as u64;
                &mut cluster.nodes[index as usize]
            }
        }
    }

    /// Returns the address of the server that has this key.
    pub(crate) async fn home_of(&self, key: &str) -> io::Result<SocketAddr> {
        let Self::Cluster(cluster) = self else {
            return Ok(self.primaries()[0].addr());
        };
        for node in &cluster.nodes {
            // Another node says MOVED.
            if !matches!(
                command(node.addr(), &["EXISTS", key]).await?,
                Reply::Error(_)
            ) {
                return Ok(node.addr());
            }
        }
        Err(io::Error::other(format!(
            "no node of the cluster has {key}"
        )))
    }
}
