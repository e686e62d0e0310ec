//! Injects a fault of the plan, and takes it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, io};

use civic_testkit::proxy;
use civic_testkit::redis::{RedisServer, Reply, command};
use tokio::sync::{Mutex, broadcast, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::fault::{Class, Fault};
use crate::history::{ForeignStep, Phase, ServerState, Signal, What};
use crate::peer::Peer;
use crate::plan::Step;
use crate::replica::Began;
use crate::stage::Stage;

/// How long to wait for a holder before another replica is hit.
const HOLDER_LIMIT: Duration = Duration::from_millis(3500);
/// The ttl of a Node peer's key, longer than the peer keeps the key.
const PEER_TTL_S: u64 = 10;
/// How long a peer tries to acquire a lock that is rarely free.
const PEER_LIMIT: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(crate) struct Injector {
    pub(crate) stage: Arc<Stage>,
    pub(crate) server: Option<Arc<Mutex<RedisServer>>>,
    pub(crate) watching: watch::Receiver<bool>,
    pub(crate) next: AtomicUsize,
}

/// The target of a fault, for its records.
#[derive(Clone, Copy, Debug, Default)]
struct Target {
    life: Option<u32>,
    group: Option<usize>,
}

impl Injector {
    /// Injects the fault, and takes it back. Errors are those of the driver itself; the checker
    /// judges what the replicas do.
    pub(crate) async fn inject(&self, step: Step) -> io::Result<()> {
        match step.fault.class() {
            Class::Replica => self.replica(&step).await,
            Class::Link => self.link(&step).await,
            Class::Server => self.server(&step).await,
            Class::Key => self.key(&step).await,
        }
    }

    fn begin(&self, fault: Fault, target: Target, what: &str) -> usize {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        println!("    {number:>4}  {:<14} {what}", name(fault));
        self.note(number, fault, Phase::Begin, target);
        number
    }

    fn end(&self, number: usize, fault: Fault, target: Target) {
        self.note(number, fault, Phase::End, target);
    }

    fn note(&self, number: usize, fault: Fault, phase: Phase, target: Target) {
        self.stage.log.now(What::Fault {
            number,
            fault,
            phase,
            life: target.life,
            group: target.group,
        });
    }

    async fn replica(&self, step: &Step) -> io::Result<()> {
        let (group, slots) = &self.stage.groups[step.group];
        let holder = if step.holder {
            let holder = self.next_holder(step.group).await;
            // Somewhere in the middle of its work.
            sleep(Duration::from_millis(step.variant % group.job_ms.max(1))).await;
            holder
        } else {
            None
        };
        let first = holder
            .and_then(|life| slots.iter().position(|slot| slot.life() == life))
            .unwrap_or(step.replica);
        // A replica that no other fault hits at the moment.
        let free = (0..slots.len())
            .map(|offset| &slots[(first + offset) % slots.len()])
            .find_map(|slot| Some((slot, slot.replica.try_lock().ok()?)));
        let Some((slot, mut place)) = free else {
            println!(
                "          {:<14} all of {} are hit already",
                name(step.fault),
                group.name
            );
            return Ok(());
        };
        let Some(replica) = place.take() else {
            return Ok(());
        };
        let target = Target {
            life: Some(replica.life),
            group: Some(step.group),
        };
        let number = self.begin(
            step.fault,
            target,
            &format!("{} for {} ms", slot.name(), step.lasts_ms),
        );
        let lasts = Duration::from_millis(step.lasts_ms);
        *place = Some(match step.fault {
            Fault::Kill | Fault::Terminate => {
                replica.signal(if step.fault == Fault::Kill {
                    Signal::Kill
                } else {
                    Signal::Term
                });
                replica.gone().await?;
                sleep(lasts).await;
                self.stage.start(slot, step.skew_ms)?
            }
            _ => {
                replica.signal(Signal::Stop);
                sleep(lasts).await;
                replica.signal(Signal::Cont);
                replica
            }
        });
        self.end(number, step.fault, target);
        Ok(())
    }

    /// Waits for the next replica of the group that begins to hold the lock.
    async fn next_holder(&self, group: usize) -> Option<u32> {
        let mut began = self.stage.began.subscribe();
        timeout(HOLDER_LIMIT, async {
            loop {
                match began.recv().await {
                    Ok(Began { group: of, life }) if of == group => return Some(life),
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .await
        .ok()
        .flatten()
    }

    async fn link(&self, step: &Step) -> io::Result<()> {
        let (_, slots) = &self.stage.groups[step.group];
        let free = (0..slots.len())
            .map(|offset| &slots[(step.replica + offset) % slots.len()])
            .find_map(|slot| Some((slot, slot.proxy.as_ref()?, slot.link.try_lock().ok()?)));
        let Some((slot, proxy, _link)) = free else {
            println!(
                "          {:<14} all links are hit already",
                name(step.fault)
            );
            return Ok(());
        };
        let target = Target {
            life: Some(slot.life()),
            group: Some(step.group),
        };
        let fault = misbehaviour(step);
        let number = self.begin(
            step.fault,
            target,
            &format!("{} for {} ms", slot.name(), step.lasts_ms),
        );
        proxy.set(fault);
        sleep(Duration::from_millis(step.lasts_ms)).await;
        proxy.set(proxy::Fault::Pass);
        self.end(number, step.fault, target);
        Ok(())
    }

    async fn server(&self, step: &Step) -> io::Result<()> {
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
                self.state(ServerState::Away);
                server.stop();
                sleep(lasts).await;
                server.cont();
                self.state(ServerState::Back);
            }
            Fault::CrashKeep | Fault::CrashEmpty => {
                self.state(ServerState::Away);
                server.kill();
                if step.fault == Fault::CrashEmpty {
                    fs::remove_dir_all(server.folder().join("appendonlydir"))?;
                    self.state(ServerState::Lost);
                }
                sleep(lasts).await;
                server.restart().await;
                self.state(ServerState::Back);
                let mut watching = self.watching.clone();
                let _ = watching.wait_for(|&watching| watching).await;
            }
            Fault::FlushScripts => {
                ask(&server, &["SCRIPT", "FLUSH"]).await?;
            }
            Fault::PauseClients => {
                let mode = if step.variant.is_multiple_of(2) {
                    "ALL"
                } else {
                    "WRITE"
                };
                ask(
                    &server,
                    &["CLIENT", "PAUSE", &step.lasts_ms.to_string(), mode],
                )
                .await?;
                sleep(lasts).await;
            }
            Fault::CutClients => cut_clients(&server).await?,
            Fault::OutOfMemory => {
                ask(&server, &["CONFIG", "SET", "maxmemory", "1"]).await?;
                sleep(lasts).await;
                ask(&server, &["CONFIG", "SET", "maxmemory", "0"]).await?;
            }
            Fault::ReadOnly => {
                // A primary that does not exist: port 1.
                ask(&server, &["REPLICAOF", "127.0.0.1", "1"]).await?;
                sleep(lasts).await;
                ask(&server, &["REPLICAOF", "NO", "ONE"]).await?;
            }
            _ => {}
        }
        self.end(number, step.fault, target);
        Ok(())
    }

    fn state(&self, state: ServerState) {
        self.stage.log.now(What::Server { state });
    }

    /// Acquires the lock as a Node peer, keeps it for a while, and releases it.
    async fn key(&self, step: &Step) -> io::Result<()> {
        let Some(server) = &self.server else {
            return Ok(());
        };
        let addr = server.lock().await.addr();
        let (group, _) = &self.stage.groups[step.group];
        let key = format!("lock:{}", group.lock);
        let value = format!("1:{}", 1_700_000_000_000 + step.at_ms);
        let since = Instant::now();
        let taken = timeout(PEER_LIMIT, async {
            loop {
                if let Ok(peer) = take(addr, group.db, &key, &value).await {
                    return peer;
                }
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let Ok(mut peer) = taken else {
            // The peer may have got the lock, and lost the reply.
            println!(
                "          {:<14} {} was never free",
                name(step.fault),
                group.name
            );
            return Ok(());
        };
        let target = Target {
            life: None,
            group: Some(step.group),
        };
        let foreign = |step: ForeignStep| {
            self.stage.log.now(What::Foreign {
                group: group.group,
                value: value.clone(),
                step,
            });
        };
        foreign(ForeignStep::Taken);
        let number = self.begin(
            step.fault,
            target,
            &format!("{} for {} ms", group.name, step.lasts_ms),
        );
        sleep(Duration::from_millis(step.lasts_ms)).await;
        foreign(ForeignStep::Returning);
        let mut heard = true;
        let verdict = loop {
            if since.elapsed() >= Duration::from_secs(PEER_TTL_S) {
                // The server was away for so long that nothing is known.
                break ForeignStep::Returned;
            }
            match timeout(Duration::from_secs(5), give_back(&mut peer, &key, &value)).await {
                // An attempt whose reply was lost may have released it.
                Ok(Ok(ForeignStep::Damaged)) if !heard => break ForeignStep::Returned,
                Ok(Ok(step)) => break step,
                _ => {
                    heard = false;
                    sleep(Duration::from_millis(50)).await;
                    if let Ok(again) = Peer::connect(addr, group.db).await {
                        peer = again;
                    }
                }
            }
        };
        foreign(verdict);
        self.end(number, step.fault, target);
        Ok(())
    }
}

/// Tries to acquire the key until it is free.
async fn take(addr: std::net::SocketAddr, db: u8, key: &str, value: &str) -> io::Result<Peer> {
    let mut peer = Peer::connect(addr, db).await?;
    if peer.look(key).await?.0.as_deref() == Some(value) {
        // It was acquired on a connection that broke before the reply.
        return Ok(peer);
    }
    while !peer.take(key, value, PEER_TTL_S).await? {
        sleep(Duration::from_millis(1)).await;
    }
    Ok(peer)
}

async fn give_back(peer: &mut Peer, key: &str, value: &str) -> io::Result<ForeignStep> {
    let (found, left) = peer.look(key).await?;
    // The peer's own ttl may be over, or nearly. It cannot be longer.
    let intact = found.as_deref() == Some(value) && left <= 1000 * PEER_TTL_S as i64;
    let returned = peer.give_back(key, value).await?;
    Ok(if intact && returned {
        ForeignStep::Returned
    } else {
        ForeignStep::Damaged
    })
}

fn misbehaviour(step: &Step) -> proxy::Fault {
    match step.fault {
        Fault::Delay => proxy::Fault::Delay(Duration::from_millis(20 + step.variant % 1200)),
        Fault::BlackHole => proxy::Fault::BlackHole,
        Fault::Reset => proxy::Fault::Reset,
        Fault::HalfOpen => proxy::Fault::HalfOpen,
        Fault::DropReply => proxy::Fault::DropReply,
        _ => proxy::Fault::SkipReply,
    }
}

async fn ask(server: &RedisServer, words: &[&str]) -> io::Result<Reply> {
    match command(server.addr(), words).await? {
        Reply::Error(error) => Err(io::Error::other(format!("{words:?}: {error}"))),
        reply => Ok(reply),
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

/// Returns the name of a fault, as the report shows it.
pub(crate) fn name(fault: Fault) -> String {
    serde_json::to_value(fault)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
