//! The groups of replicas. Each replica has its own proxy in front of the server.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex as StdMutex, MutexGuard, PoisonError};

use civic_testkit::proxy::FaultProxy;
use tokio::sync::{Mutex, broadcast};

use crate::history::{Backend, Group, Kind, Version, What};
use crate::log::Log;
use crate::main_server::MainServer;
use crate::operator::Desk;
use crate::options::{Choice, Options};
use crate::plan::Shape;
use crate::recipe::{Recipe, SCHEDULER_LOCK, recipe};
use crate::replica::{Began, Deployment, Replica};
use crate::store::Store;

const TTL_MS: u64 = 2000;
/// Longer than any outage, so that no tick is missed.
const GRACE_MS: u64 = 20_000;
/// Shorter than some outages, so that ticks are missed.
const SHORT_GRACE_MS: u64 = 3000;
const HAMMER_LOCK: &str = "chaos:hammer";
const CROWD_LOCK: &str = "chaos:crowd";
const ELECTION: &str = "chaos:leader";
/// The term of a leader, for faults that come in the middle of it.
const TERM_MS: u64 = 700;
/// The values that an outage may leave behind live as long: so an abandoned one is not soon gone.
const CROWD_TTL_MS: u64 = 30_000;

/// The intervals of a job that is deployed again and again.
const INTERVALS_MS: [u64; 5] = [6000, 2000, 5000, 3000, 4000];
/// More holders than a tick can lose in its grace.
const UNLIMITED: u32 = 1000;

/// The servers of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Servers<'a> {
    pub(crate) main: Option<&'a MainServer>,
    /// The one whose wall clock is set wrong.
    pub(crate) stepped: Option<SocketAddr>,
}

/// All replicas of a run.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) groups: Vec<(Group, Vec<Slot>)>,
    /// Where an operator looks at the groups.
    pub(crate) desks: Vec<Desk>,
    pub(crate) log: Log,
    pub(crate) began: broadcast::Sender<Began>,
    lives: AtomicU32,
    deployments: AtomicU32,
}

/// The place of one replica, which outlives it.
#[derive(Debug)]
pub(crate) struct Slot {
    recipe: Recipe,
    pub(crate) proxy: Option<FaultProxy>,
    /// Locked by the one fault that hits the process.
    pub(crate) replica: Mutex<Option<Replica>>,
    /// Locked by the one fault that hits its connections.
    pub(crate) link: Mutex<()>,
    /// The number of the replica that is in it.
    life: AtomicU32,
    /// What the next replica in it is deployed with.
    deployment: StdMutex<Deployment>,
}

impl Stage {
    pub(crate) async fn set(
        options: &Options,
        folder: &Path,
        files: &Path,
        servers: Servers<'_>,
        log: &Log,
    ) -> io::Result<Self> {
        let (began, _) = broadcast::channel(256);
        let mut stage = Self {
            groups: Vec::new(),
            desks: Vec::new(),
            log: log.clone(),
            began,
            lives: AtomicU32::new(1),
            deployments: AtomicU32::new(1),
        };
        for group in groups(options, servers) {
            log.now(What::Group(group.clone()));
            if group.kind != Kind::Crowd {
                stage.desks.push(Desk {
                    group: group.group,
                    civic: options.civic.clone(),
                    environment: servers.store(&group, files).environment()?,
                });
            }
            let mut slots = Vec::new();
            for index in 0..group.replicas {
                let proxy = match servers.behind_proxy(group.backend) {
                    Some(server) => Some(FaultProxy::start(server).await),
                    None => None,
                };
                let store = match &proxy {
                    Some(proxy) => Store::Url(format!("{}/{}", proxy.redis_url(), group.db)),
                    None => servers.store(&group, files),
                };
                let recipe = recipe(options, &group, index, folder, store)?;
                let version = match recipe.last {
                    Some(_) => Version::Last,
                    None => Version::This,
                };
                slots.push(Slot {
                    recipe,
                    proxy,
                    replica: Mutex::new(None),
                    link: Mutex::new(()),
                    life: AtomicU32::new(0),
                    deployment: StdMutex::new(Deployment {
                        number: 0,
                        interval_ms: group.interval_ms,
                        version,
                    }),
                });
            }
            stage.groups.push((group, slots));
        }
        Ok(stage)
    }

    pub(crate) fn shapes(&self) -> Vec<Shape> {
        self.groups
            .iter()
            .map(|(group, slots)| Shape {
                backend: group.backend,
                replicas: slots.len(),
                kind: group.kind,
                ttl_ms: group.ttl_ms,
                gives_up: group.max_attempts < UNLIMITED,
                is_upgraded: slots.iter().any(|slot| slot.recipe.last.is_some()),
            })
            .collect()
    }

    /// Starts a replica in an empty place.
    pub(crate) fn start(&self, slot: &Slot, skew_ms: i64) -> io::Result<Replica> {
        let life = self.lives.fetch_add(1, Ordering::Relaxed);
        let deployment = *slot.deployment();
        let began = self.began.clone();
        let replica = Replica::start(&slot.recipe, life, skew_ms, deployment, &self.log, began)?;
        slot.life.store(life, Ordering::Relaxed);
        Ok(replica)
    }

    /// Returns a deployment with another schedule than the ones before it.
    pub(crate) fn next_deployment(&self) -> Deployment {
        let number = self.deployments.fetch_add(1, Ordering::Relaxed);
        Deployment {
            number,
            interval_ms: INTERVALS_MS[number as usize % INTERVALS_MS.len()],
            version: Version::This,
        }
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.groups.iter().flat_map(|(_, slots)| slots)
    }
}

impl Slot {
    pub(crate) fn life(&self) -> u32 {
        self.life.load(Ordering::Relaxed)
    }

    pub(crate) fn deployment(&self) -> MutexGuard<'_, Deployment> {
        self.deployment
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn name(&self) -> &str {
        &self.recipe.name
    }
}

impl Servers<'_> {
    /// Returns where a group keeps its lock, with nothing in between.
    fn store(&self, group: &Group, files: &Path) -> Store {
        match (group.backend, self.main, self.stepped) {
            (Backend::Stepped, _, Some(stepped)) => {
                Store::Url(format!("redis://{stepped}/{}", group.db))
            }
            (backend, Some(main), _) if backend.is_main() => Store::Url(main.url(group.db)),
            _ => Store::Folder(files.join(&group.name)),
        }
    }

    /// Returns the server that a proxy can stand in front of.
    fn behind_proxy(&self, backend: Backend) -> Option<SocketAddr> {
        match backend {
            Backend::Redis => self.main.and_then(MainServer::single),
            Backend::Stepped => self.stepped,
            Backend::Sentinel | Backend::Cluster | Backend::Host => None,
        }
    }
}

/// A lock, and what its replicas do with it.
#[derive(Clone, Copy, Debug)]
struct Lock {
    kind: Kind,
    name: &'static str,
    interval_ms: u64,
    job_ms: u64,
    grace_ms: u64,
    max_attempts: u32,
}

fn lock(kind: Kind, name: &'static str, interval_ms: u64, job_ms: u64, grace_ms: u64) -> Lock {
    Lock {
        kind,
        name,
        interval_ms,
        job_ms,
        grace_ms,
        max_attempts: UNLIMITED,
    }
}

fn groups(options: &Options, servers: Servers<'_>) -> Vec<Group> {
    // The interval of the one is shorter than ttl + jitter, that of the other longer.
    let usual = [
        lock(Kind::AtLeastOnce, "at-least-once", 1000, 400, GRACE_MS),
        lock(Kind::AtMostOnce, "at-most-once", 3000, 2500, GRACE_MS),
        lock(Kind::Hammer, "hammer", 0, 0, 0),
        lock(Kind::AtLeastOnce, "short-grace", 1000, 200, SHORT_GRACE_MS),
        lock(Kind::Deployed, "deployed", INTERVALS_MS[0], 200, GRACE_MS),
        Lock {
            max_attempts: 3,
            ..lock(Kind::AtLeastOnce, "crash-loop", 2000, 400, GRACE_MS)
        },
    ];
    // As long as the poll cap, so that its ticks must go on within one interval.
    let stepped = [lock(Kind::AtLeastOnce, "stepped", 5000, 300, GRACE_MS)];
    // The store of one machine has no outage.
    let crowd = lock(Kind::Crowd, "crowd", 0, 0, 0);
    let mut on_host = usual.to_vec();
    if options.candidates > 0 {
        on_host.push(lock(Kind::Candidate, "election", 0, TERM_MS, 0));
    }
    let mut on_main = on_host.clone();
    if options.last.is_some() {
        // The last version knows neither a bound of attempts nor a change of the schedule.
        on_main.retain(|lock| lock.kind != Kind::Deployed && lock.max_attempts == UNLIMITED);
    }
    if options.callers > 0 {
        on_main.push(crowd);
    }
    let mut backends: Vec<(Backend, &[Lock])> = Vec::new();
    if servers.main.is_some() {
        backends.push((Backend::of(options.topology), &on_main));
    }
    if servers.stepped.is_some() {
        backends.push((Backend::Stepped, &stepped));
    }
    if options.choice != Choice::Redis {
        backends.push((Backend::Host, &on_host));
    }
    let mut groups = Vec::new();
    for (backend, locks) in backends {
        for (db, lock) in (0..).zip(locks) {
            let store = match backend {
                Backend::Redis => "redis",
                Backend::Sentinel => "sentinel",
                Backend::Cluster => "cluster",
                Backend::Stepped => "clock",
                Backend::Host => "host",
            };
            groups.push(Group {
                group: groups.len(),
                name: format!("{store}-{}", lock.name),
                kind: lock.kind,
                backend,
                // A cluster has one database: there the locks have different names.
                db: if backend == Backend::Cluster { 0 } else { db },
                lock: match (lock.kind, backend) {
                    (Kind::Hammer, _) => HAMMER_LOCK.to_owned(),
                    (Kind::Crowd, _) => CROWD_LOCK.to_owned(),
                    (Kind::Candidate, _) => ELECTION.to_owned(),
                    (_, Backend::Cluster) => format!("{SCHEDULER_LOCK}:{}", lock.name),
                    _ => SCHEDULER_LOCK.to_owned(),
                },
                replicas: match lock.kind {
                    Kind::Candidate => options.candidates,
                    Kind::Crowd => 1,
                    _ => options.replicas,
                },
                ttl_ms: match lock.kind {
                    Kind::Crowd => CROWD_TTL_MS,
                    _ => TTL_MS,
                },
                job_ms: lock.job_ms,
                interval_ms: lock.interval_ms,
                grace_ms: lock.grace_ms,
                max_attempts: lock.max_attempts,
                // The defaults of civic-lock.
                command_timeout_ms: 1000,
                poll_cap_ms: 5000,
            });
        }
    }
    groups
}
