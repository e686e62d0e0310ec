//! Taking and giving back a lock: a `LockService`, and bare fred with `SET NX PX` and a script.

use std::sync::Arc;
use std::time::{Duration, Instant};

use civic_lock::{Acquisition, LockService};
use civic_testkit::redis::RedisServer;
use fred::clients::Client;
use fred::interfaces::{ClientLike as _, KeysInterface as _, LuaInterface as _};
use fred::types::config::Config;
use fred::types::{Builder, Expiration, SetOptions};

use crate::work::OURS;

/// The name of the other side.
pub const BARE: &str = "fred: SET NX PX, EVALSHA";

const TTL: Duration = Duration::from_secs(15);
/// Deletes a lock if it still has this owner.
const RELEASE: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";

/// Both sides, with a connection each to one server.
pub struct Locks {
    /// Runs for as long as both need it.
    _server: RedisServer,
    ours: LockService,
    bare: Client,
    release: String,
}

impl std::fmt::Debug for Locks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Locks").finish_non_exhaustive()
    }
}

/// What a pair took in a round, per side, in µs.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounds {
    /// What [`LockService`] took.
    pub ours: Vec<f64>,
    /// What bare fred took.
    pub bare: Vec<f64>,
}

impl Locks {
    /// Starts a server, and connects both.
    ///
    /// # Panics
    ///
    /// If there is no redis-server.
    pub async fn start() -> Self {
        let server = RedisServer::start().await;
        let ours = LockService::redis(server.url()).expect("the URL is valid");
        let config = Config::from_url(&server.url()).expect("the URL is valid");
        let bare = Builder::from_config(config).build().expect("it is valid");
        bare.init().await.expect("the server is there");
        let release: String = bare.script_load(RELEASE).await.expect("it loads");
        Self {
            _server: server,
            ours,
            bare,
            release,
        }
    }

    /// Takes and gives back as many locks at a time as told, each by a task of its own, in turn by
    /// both sides.
    ///
    /// # Panics
    ///
    /// If a lock cannot be taken: no one else wants it.
    pub async fn compare(
        self: &Arc<Self>,
        at_a_time: usize,
        pairs: usize,
        rounds: usize,
    ) -> Rounds {
        for side in [OURS, BARE] {
            self.drive(side, at_a_time, pairs).await;
        }
        let mut taken = Rounds {
            ours: Vec::new(),
            bare: Vec::new(),
        };
        for round in 0..rounds {
            let turns = if round % 2 == 0 {
                [OURS, BARE]
            } else {
                [BARE, OURS]
            };
            for side in turns {
                let spent = self.drive(side, at_a_time, pairs).await;
                if side == OURS {
                    taken.ours.push(spent);
                } else {
                    taken.bare.push(spent);
                }
            }
        }
        taken
    }

    async fn drive(self: &Arc<Self>, side: &'static str, at_a_time: usize, pairs: usize) -> f64 {
        let began = Instant::now();
        let tasks: Vec<_> = (0..at_a_time)
            .map(|task| {
                let locks = Arc::clone(self);
                let name = format!("bench-{task}");
                tokio::spawn(async move {
                    for _ in 0..pairs / at_a_time {
                        if side == OURS {
                            locks.pair(&name).await;
                        } else {
                            locks.bare_pair(&name).await;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("every lock is free");
        }
        let pairs = pairs / at_a_time * at_a_time;
        began.elapsed().as_secs_f64() * 1e6 / pairs as f64
    }

    async fn pair(&self, name: &str) {
        match self.ours.try_acquire(name, TTL).await {
            Acquisition::Acquired(lease) => {
                lease.release().await;
            }
            other => panic!("{name} is not free: {other:?}"),
        }
    }

    async fn bare_pair(&self, name: &str) {
        let key = format!("bare:{name}");
        let expires = Some(Expiration::PX(15_000));
        let taken: Option<String> = self
            .bare
            .set(&key, "owner", expires, Some(SetOptions::NX), false)
            .await
            .expect("the server answers");
        assert_eq!(taken.as_deref(), Some("OK"));
        let deleted: i64 = self
            .bare
            .evalsha(&self.release, vec![key], vec!["owner"])
            .await
            .expect("the server answers");
        assert_eq!(deleted, 1);
    }

    /// Gives everything back.
    pub async fn stop(&self) {
        self.ours.close(Duration::from_secs(1)).await;
        // It may have gone already.
        let _ = self.bare.quit().await;
    }
}
