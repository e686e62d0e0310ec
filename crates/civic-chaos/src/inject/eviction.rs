//! The server is short of memory, and its policy lets it delete keys that are in use.

use std::io;
use std::time::Duration;

use civic_testkit::redis::RedisServer;
use tokio::time::{Instant, sleep};

use super::injector::Injector;
use super::server::{ask, ask_all};
use crate::history::ServerState;
use crate::main_server::MainServer;
use crate::plan::Step;

/// The policies that Redis has for keys which its user wants to keep, and for those with a ttl.
const POLICIES: [&str; 3] = ["allkeys-lru", "allkeys-random", "volatile-ttl"];
/// A limit that no run reaches: keys are evicted because of the policy only when it is lower.
const ROOM: &str = "1gb";
/// How much too small the memory is at first. A few keys have to go.
const SHORT_BY: u64 = 1024;
/// How often the amount is doubled if no key has gone.
const TRIES: u32 = 8;
const BETWEEN: Duration = Duration::from_secs(1);

// ===== impl Injector =====

impl Injector {
    /// Lets the server delete keys now and then, and starts a replica meanwhile.
    pub(super) async fn evict(&self, step: &Step, server: &MainServer) -> io::Result<()> {
        let policy = POLICIES[step.variant as usize % POLICIES.len()];
        let end = Instant::now() + Duration::from_millis(step.lasts_ms);
        self.state(ServerState::Lost);
        ask_all(server, &["CONFIG", "SET", "maxmemory", ROOM]).await?;
        ask_all(server, &["CONFIG", "SET", "maxmemory-policy", policy]).await?;
        let (_, slots) = &self.stage.groups[step.group];
        let slot = &slots[step.replica];
        let deployment = *slot.deployment();
        self.replace(slot, deployment, step.skew_ms).await?;
        let mut evicted = 0;
        while Instant::now() < end {
            for primary in server.primaries() {
                evicted += evict_some(primary).await?;
            }
            sleep(BETWEEN).await;
        }
        ask_all(server, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await?;
        ask_all(server, &["CONFIG", "SET", "maxmemory", "0"]).await?;
        self.state(ServerState::Back);
        println!("          {policy}: {evicted} keys evicted");
        Ok(())
    }
}

/// Takes memory from the server until it has evicted a key. Returns how many it has.
async fn evict_some(server: &RedisServer) -> io::Result<u64> {
    let before = number(server, "evicted_keys").await?;
    let mut evicted = 0;
    for doubled in 0..TRIES {
        let used = number(server, "used_memory").await?;
        let limit = used.saturating_sub(SHORT_BY << doubled).to_string();
        ask(server, &["CONFIG", "SET", "maxmemory", &limit]).await?;
        evicted = number(server, "evicted_keys").await? - before;
        ask(server, &["CONFIG", "SET", "maxmemory", ROOM]).await?;
        if evicted > 0 {
            break;
        }
    }
    Ok(evicted)
}

async fn number(server: &RedisServer, name: &str) -> io::Result<u64> {
    let info = ask(server, &["INFO"]).await?;
    info.text()
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("INFO does not say {name}")))
}
