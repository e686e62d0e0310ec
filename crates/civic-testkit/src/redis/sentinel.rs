//! A primary, a replica, and three sentinels that watch them.

use std::time::{Duration, Instant};

use super::server::has_line;
use super::{RedisServer, Reply};

const SERVICE: &str = "civic";

/// A primary with one replica, watched by three sentinels.
#[derive(Debug)]
pub struct RedisSentinel {
    /// The primary at the start.
    pub primary: RedisServer,
    /// Its replica, which takes over.
    pub replica: RedisServer,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinel {
    /// Starts five processes, and waits until the sentinels know the replica and each other.
    ///
    /// # Panics
    ///
    /// Panics if there is no redis-server, or when they do not find each other within two minutes.
    pub async fn start() -> Self {
        Self::start_with(Duration::from_millis(500)).await
    }

    /// Starts them with sentinels that hold a server for dead after this time without an answer.
    ///
    /// # Panics
    ///
    /// Panics as [`start`](Self::start).
    pub async fn start_with(down_after: Duration) -> Self {
        let down_after = down_after.as_millis();
        let primary = RedisServer::start().await;
        let replica = RedisServer::replica_of(&primary).await;
        let config = format!(
            "sentinel monitor {SERVICE} 127.0.0.1 {} 2\n\
             sentinel down-after-milliseconds {SERVICE} {down_after}\n\
             sentinel failover-timeout {SERVICE} 3000\n",
            primary.port()
        );
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(RedisServer::sentinel(&config).await);
        }
        let this = Self {
            primary,
            replica,
            sentinels,
        };
        this.until(|primary| {
            field(primary, "num-other-sentinels") == "2" && field(primary, "num-slaves") == "1"
        })
        .await;
        this
    }

    /// Returns `redis-sentinel://…`, with all three.
    #[must_use]
    pub fn url(&self) -> String {
        let [first, second, third] = &self.sentinels[..] else {
            unreachable!("three were started")
        };
        format!(
            "redis-sentinel://{}?sentinelServiceName={SERVICE}&node={}&node={}",
            first.addr(),
            second.addr(),
            third.addr()
        )
    }

    /// Sets after which time without an answer the sentinels hold a server for dead.
    ///
    /// # Panics
    ///
    /// Panics if a sentinel does not accept it.
    pub async fn set_down_after(&self, down_after: Duration) {
        let millis = down_after.as_millis().to_string();
        for sentinel in &self.sentinels {
            let words = [
                "SENTINEL",
                "SET",
                SERVICE,
                "down-after-milliseconds",
                &millis,
            ];
            let reply = sentinel.command(&words).await;
            assert_eq!(reply.text(), "OK", "{words:?}");
        }
    }

    /// Returns whether every sentinel holds [`primary`](Self::primary) for the primary.
    ///
    /// # Panics
    ///
    /// Panics if a sentinel does not answer.
    pub async fn is_agreed(&self) -> bool {
        let port = self.primary.port().to_string();
        for sentinel in &self.sentinels {
            let primary = sentinel.command(&["SENTINEL", "MASTER", SERVICE]).await;
            if field(&primary, "port") != port {
                return false;
            }
        }
        true
    }

    /// Waits until the sentinels have made the replica the primary.
    ///
    /// # Panics
    ///
    /// Panics if they have not within two minutes.
    pub async fn until_failed_over(&self) {
        let port = self.replica.port().to_string();
        self.until(|primary| field(primary, "port") == port).await;
        self.replica
            .until_info("the replica is the primary", |info| {
                has_line(info, "role:master")
            })
            .await;
    }

    /// Gives each of the two its new name after a [failover](Self::until_failed_over), makes the
    /// old primary the replica of the new one, and waits until it is in sync.
    ///
    /// # Panics
    ///
    /// Panics if the old primary does not answer or is not in sync within a minute.
    pub async fn swap(&mut self) {
        std::mem::swap(&mut self.primary, &mut self.replica);
        let port = self.primary.port().to_string();
        self.replica
            .command(&["REPLICAOF", "127.0.0.1", &port])
            .await;
        self.until_in_sync().await;
    }

    /// Waits until the replica has heard from the primary all there is.
    ///
    /// # Panics
    ///
    /// Panics if it has not within a minute.
    pub async fn until_in_sync(&self) {
        self.replica
            .until_info("the replica follows the primary", |info| {
                has_line(info, "master_link_status:up")
            })
            .await;
        // The primary notices first that a connection was cut.
        let online = format!("port={},state=online", self.replica.port());
        self.primary
            .until_info("the primary has its replica", |info| info.contains(&online))
            .await;
    }

    async fn until(&self, condition: impl Fn(&Reply) -> bool) {
        let began = Instant::now();
        for sentinel in &self.sentinels {
            loop {
                let primary = sentinel.command(&["SENTINEL", "MASTER", SERVICE]).await;
                if condition(&primary) {
                    break;
                }
                assert!(
                    began.elapsed() < Duration::from_secs(120),
                    "the sentinels do not agree: {primary:?}"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn field<'a>(primary: &'a Reply, name: &str) -> &'a str {
    let Reply::Array(items) = primary else {
        return "";
    };
    items
        .chunks(2)
        .find_map(|pair| match pair {
            [key, value] if key.text() == name => Some(value.text()),
            _ => None,
        })
        .unwrap_or_default()
}
