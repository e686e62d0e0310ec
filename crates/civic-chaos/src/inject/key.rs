//! A Node peer holds the key for a while, or an operator deletes a key beside it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::injector::{Injector, Target, name};
use crate::fault::Fault;
use crate::history::{ForeignStep, What};
use crate::peer::Peer;
use crate::plan::Step;

/// The ttl of a Node peer's key, longer than the peer keeps the key.
const PEER_TTL_S: u64 = 10;
/// How long a peer tries to acquire a lock that is rarely free.
const PEER_LIMIT: Duration = Duration::from_secs(4);

// ===== impl Injector =====

impl Injector {
    pub(super) async fn key(&self, step: &Step) -> io::Result<()> {
        match step.fault {
            Fault::ForgetFence => self.forget(step, "fence").await,
            Fault::ForgetTicks => self.forget(step, "tick").await,
            _ => self.foreign(step).await,
        }
    }

    /// Deletes a key beside that of the lock.
    async fn forget(&self, step: &Step, which: &str) -> io::Result<()> {
        let Some(server) = &self.server else {
            return Ok(());
        };
        let (group, _) = &self.stage.groups[step.group];
        let target = Target {
            life: None,
            group: Some(step.group),
        };
        let key = format!("{{lock:{}}}:{which}", group.lock);
        // Noted before: a command whose answer is lost may be executed.
        let number = self.begin(step.fault, target, &format!("{key} of {}", group.name));
        let deleted = timeout(PEER_LIMIT, async {
            // The server may be away, or loading its data.
            loop {
                let home = server.lock().await.home_of(&key).await;
                if let Ok(addr) = home
                    && let Ok(mut peer) = Peer::connect(addr, group.db).await
                    && peer.delete(&key).await.is_ok()
                {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        if deleted.is_err() {
            println!(
                "          {:<14} {} was out of reach",
                name(step.fault),
                group.name
            );
        }
        self.end(number, step.fault, target);
        Ok(())
    }

    /// Acquires the lock as a Node peer, keeps it for a while, and releases it.
    async fn foreign(&self, step: &Step) -> io::Result<()> {
        let Some(server) = &self.server else {
            return Ok(());
        };
        let (group, _) = &self.stage.groups[step.group];
        let key = format!("lock:{}", group.lock);
        let Ok(addr) = server.lock().await.home_of(&key).await else {
            println!(
                "          {:<14} {} was out of reach",
                name(step.fault),
                group.name
            );
            return Ok(());
        };
        let value = format!("1:{}", 1_700_000_000_000 + step.at_ms);
        let target = Target {
            life: None,
            group: Some(step.group),
        };
        let number = self.begin(
            step.fault,
            target,
            &format!("{} for {} ms", group.name, step.lasts_ms),
        );
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
        let note = |step: ForeignStep| {
            self.stage.log.now(What::Foreign {
                group: group.group,
                value: value.clone(),
                step,
            });
        };
        match taken {
            Ok(peer) => {
                note(ForeignStep::Taken);
                sleep(Duration::from_millis(step.lasts_ms)).await;
                note(ForeignStep::Returning);
                note(returned(Some(peer), since, (addr, group.db), &key, &value).await);
            }
            Err(_) => {
                println!(
                    "          {:<14} {} was never free",
                    name(step.fault),
                    group.name
                );
                // It may have got the lock, and lost the reply.
                returned(None, since, (addr, group.db), &key, &value).await;
            }
        }
        self.end(number, step.fault, target);
        Ok(())
    }
}

/// Tries to acquire the key until it is free.
async fn take(addr: SocketAddr, db: u8, key: &str, value: &str) -> io::Result<Peer> {
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

/// Gives the key back until it is known what has become of it. Without a peer it is not known to be
/// taken.
async fn returned(
    mut peer: Option<Peer>,
    since: Instant,
    (addr, db): (SocketAddr, u8),
    key: &str,
    value: &str,
) -> ForeignStep {
    let mut heard = peer.is_some();
    loop {
        if since.elapsed() >= PEER_LIMIT + Duration::from_secs(PEER_TTL_S) {
            // The server was away for so long that nothing is known.
            return ForeignStep::Returned;
        }
        if let Some(peer) = &mut peer {
            match timeout(Duration::from_secs(5), give_back(peer, key, value)).await {
                // An attempt whose reply was lost may have released it.
                Ok(Ok(ForeignStep::Damaged)) if !heard => return ForeignStep::Returned,
                Ok(Ok(step)) => return step,
                _ => heard = false,
            }
        }
        sleep(Duration::from_millis(50)).await;
        if let Ok(Ok(again)) = timeout(Duration::from_secs(5), Peer::connect(addr, db)).await {
            peer = Some(again);
        }
    }
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
