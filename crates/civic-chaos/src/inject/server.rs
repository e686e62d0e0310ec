//! The server is stopped, killed, or refuses to work for a while.

use std::net::SocketAddr;
use std::time::Duration;
use std::{fs, io};

use civic_testkit::redis::{RedisServer, Reply, command};
use tokio::time::{Instant, sleep};

use super::injector::{Injector, Target};
use crate::fault::Fault;
use crate::history::{ServerState, What};
use crate::main_server::MainServer;
use crate::plan::Step;

/// How long a server may need to read its file.
const LOADS: Duration = Duration::from_secs(10);

// ===== impl Injector =====

impl Injector {
    pub(super) async fn server(&self, step: &Step) -> io::Result<()> {
        let Some(server) = &self.server else {
            return Ok(());
        };
        let mut server = server.lock().await;
        let target = Target::default();
        let number = self.begin(
            step.fault,
            target,
            &format!("the server for {} ms", step.lasts_ms),
        );
        let lasts = Duration::from_millis(step.lasts_ms);
        match step.fault {
            Fault::FreezeShort | Fault::FreezeLong => {
                let server = server.one(step.variant);
                self.state(ServerState::Away);
                server.stop();
                sleep(lasts).await;
                server.cont();
                self.state(ServerState::Back);
            }
            Fault::CrashKeep | Fault::CrashEmpty => {
                let is_watched = server.single().is_some();
                let addr = server.one(step.variant).addr();
                let groups = self.groups_on(&server, addr).await;
                let server = server.one(step.variant);
                self.state(ServerState::Away);
                server.kill();
                if step.fault == Fault::CrashEmpty {
                    fs::remove_dir_all(server.folder().join("appendonlydir"))?;
                    let state = ServerState::Lost;
                    self.stage.log.now(What::Server { state, groups });
                }
                sleep(lasts).await;
                server.restart().await;
                self.state(ServerState::Back);
                if is_watched {
                    let mut watching = self.watching.clone();
                    let _ = watching.wait_for(|&watching| watching).await;
                }
            }
            Fault::FlushScripts => ask_all(&server, &["SCRIPT", "FLUSH"]).await?,
            Fault::PauseClients => {
                let mode = if step.variant.is_multiple_of(2) {
                    "ALL"
                } else {
                    "WRITE"
                };
                let millis = step.lasts_ms.to_string();
                ask_all(&server, &["CLIENT", "PAUSE", &millis, mode]).await?;
                sleep(lasts).await;
            }
            Fault::CutClients => {
                for primary in server.primaries() {
                    cut_clients(primary).await?;
                }
                // A replica is a client too: a failover would lose all that it misses meanwhile.
                if let MainServer::Sentinel(sentinel) = &*server {
                    sentinel.until_in_sync().await;
                }
            }
            Fault::OutOfMemory => {
                ask_all(&server, &["CONFIG", "SET", "maxmemory", "1"]).await?;
                sleep(lasts).await;
                ask_all(&server, &["CONFIG", "SET", "maxmemory", "0"]).await?;
            }
            Fault::Evict => self.evict(step, &server).await?,
            Fault::ReadOnly => {
                // A primary that does not exist: port 1.
                ask_all(&server, &["REPLICAOF", "127.0.0.1", "1"]).await?;
                sleep(lasts).await;
                ask_all(&server, &["REPLICAOF", "NO", "ONE"]).await?;
            }
            Fault::Failover | Fault::FailoverFrozen => self.failover(step, &mut server).await?,
            Fault::Reshard => self.reshard(step, &server).await?,
            _ => {}
        }
        server.until_ready().await;
        self.end(number, step.fault, target);
        Ok(())
    }

    pub(super) fn state(&self, state: ServerState) {
        self.stage.log.now(What::server(state));
    }

    /// Returns the groups whose keys may be on the server of this address, or none if all are.
    async fn groups_on(&self, server: &MainServer, addr: SocketAddr) -> Option<Vec<usize>> {
        if server.primaries().len() == 1 {
            return None;
        }
        let mut groups = Vec::new();
        for (group, _) in &self.stage.groups {
            let key = format!("lock:{}", group.lock);
            let is_elsewhere = || async {
                let home = server.home_of(&key).await;
                home.is_ok_and(|home| home != addr)
            };
            if group.backend.is_main() && !is_elsewhere().await {
                groups.push(group.group);
            }
        }
        Some(groups)
    }
}

pub(super) async fn ask_all(server: &MainServer, words: &[&str]) -> io::Result<()> {
    for primary in server.primaries() {
        ask(primary, words).await?;
    }
    Ok(())
}

pub(super) async fn ask(server: &RedisServer, words: &[&str]) -> io::Result<Reply> {
    let since = Instant::now();
    loop {
        match command(server.addr(), words).await? {
            // It was killed a moment ago, and reads its file.
            Reply::Error(error) if error.starts_with("LOADING") && since.elapsed() < LOADS => {
                sleep(Duration::from_millis(20)).await;
            }
            Reply::Error(error) => return Err(io::Error::other(format!("{words:?}: {error}"))),
            reply => return Ok(reply),
        }
    }
}

/// Closes all connections but the one that watches.
async fn cut_clients(server: &RedisServer) -> io::Result<()> {
    let Reply::Text(list) = ask(server, &["CLIENT", "LIST"]).await? else {
        return Ok(());
    };
    for line in list.lines() {
        let field = |name: &str| {
            line.split(' ')
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let watches = field("flags").is_some_and(|flags| flags.contains('O'));
        if let (false, Some(id)) = (watches, field("id")) {
            // It may be closed already: the connection that asked for the list is.
            let _ = command(server.addr(), &["CLIENT", "KILL", "ID", id]).await?;
        }
    }
    Ok(())
}
