//! A run: all replicas start, the plan is carried out, all replicas stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use std::{fs, io};

use civic_progress::Progress;
use civic_testkit::redis::{RedisServer, Reply, command};
use tempfile::TempDir;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::history::{
    Group, Kind, MILLI, Record, Signal, What, millis, monotonic, wall_clock_offset,
};
use crate::inject::{Injector, name};
use crate::log::Log;
use crate::main_server::MainServer;
use crate::options::{Choice, Options};
use crate::plan::{WARM_UP_MS, plan, skew};
use crate::random::Random;
use crate::replica::Replica;
use crate::stage::{Servers, Stage};
use crate::stall::Heart;
use crate::stepped::SteppedServer;
use crate::{ledger, monitor, operator, pace, recipe};

/// How long after its ttl the last lease may still exist.
const EXPIRY_SLACK: Duration = Duration::from_secs(1);

/// A server that needs longer for an answer is slow.
const SLOW: Duration = Duration::from_millis(250);
const PING_EVERY: Duration = Duration::from_millis(100);

/// Runs and returns the history.
pub(crate) async fn run(options: &Options, folder: &Path) -> io::Result<Vec<Record>> {
    for part in ["logs", "holds", "ledgers"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let log = Log::create(&folder.join("history.jsonl"))?;
    let wall_offset = wall_clock_offset();
    log.now(What::Clock { wall_offset });
    let _heart = Heart::start(log.clone());

    let main = match options.choice {
        Choice::Host => None,
        Choice::Redis | Choice::Both => Some(MainServer::start(options.topology).await),
    };
    // Elsewhere, a write may be seen twice, or be undone by a failover.
    let addr = main.as_ref().and_then(MainServer::single);
    let (watching, mut watched) = watch::channel(false);
    let mut background = JoinSet::new();
    if let Some(addr) = addr {
        background.spawn(monitor::watch(addr, wall_offset, log.clone(), watching));
        let _ = watched.wait_for(|&watched| watched).await;
    }

    let stepped = match (&options.clock, &main) {
        (Some(library), Some(_)) => Some(SteppedServer::start(library).await?),
        _ => None,
    };
    let servers = Servers {
        main: main.as_ref(),
        stepped: stepped.as_ref().map(SteppedServer::addr),
    };
    let files = TempDir::new()?;
    let mut stage = Stage::set(options, folder, files.path(), servers, &log).await?;
    let desks = std::mem::take(&mut stage.desks);
    let stage = Arc::new(stage);
    let steps = plan(
        options.seed,
        millis(options.length),
        options.topology,
        &stage.shapes(),
    );
    println!(
        "{} replicas, {} faults planned; history in {}",
        stage.slots().count(),
        steps.len(),
        folder.display()
    );
    let start = Instant::now();
    let progress = Arc::new(Progress::new());
    background.spawn(pace::show(progress.clone(), options.length));
    let mut random = Random::new(options.seed);
    for slot in stage.slots() {
        let replica = stage.start(slot, skew(&mut random))?;
        *slot.replica.lock().await = Some(replica);
    }
    sleep_until(start + Duration::from_millis(WARM_UP_MS - 500)).await;
    each(&stage, Replica::note_resources).await;

    let injector = Arc::new(Injector {
        stage: stage.clone(),
        server: main.map(|server| Arc::new(Mutex::new(server))),
        clock: stepped.map(|server| Arc::new(Mutex::new(server))),
        watching: watched,
        next: AtomicUsize::new(1),
        progress,
    });
    if let Some(server) = &injector.server {
        background.spawn(notice_slow_servers(server.clone(), log.clone()));
    }
    background.spawn(operator::look(desks, log.clone()));
    let mut running = JoinSet::new();
    for step in steps {
        sleep_until(start + Duration::from_millis(step.at_ms)).await;
        let injector = injector.clone();
        running.spawn(async move {
            let fault = name(step.fault);
            injector
                .inject(step)
                .await
                .map_err(|error| io::Error::new(error.kind(), format!("{fault}: {error}")))
        });
    }
    while let Some(done) = running.join_next().await {
        done.map_err(io::Error::other)??;
    }
    sleep_until(start + options.length).await;

    each(&stage, |replica| replica.compare_resources()).await;
    log.now(What::End);
    stop(&stage).await?;
    for (group, _) in &stage.groups {
        if group.kind == Kind::Candidate {
            ledger::read(&recipe::ledger(folder, group), &log)?;
        }
    }
    if let Some(server) = &injector.server {
        let server = server.lock().await;
        server.check_roles().await?;
        // What a crowd leaves behind lives for longer than anyone wants to wait.
        let judged = || {
            let groups = stage.groups.iter().map(|(group, _)| group);
            groups.filter(|group| group.backend.is_main() && group.kind != Kind::Crowd)
        };
        let ttl = judged().map(|group| group.ttl_ms).max();
        sleep(Duration::from_millis(ttl.unwrap_or_default()) + EXPIRY_SLACK).await;
        for group in judged() {
            for primary in server.primaries() {
                leftovers(primary.addr(), group, &log).await?;
            }
        }
    }
    Ok(log.records())
}

/// Notes for how long a server does not answer, apart from the replicas and their proxies. A server
/// that has a fault is not asked.
async fn notice_slow_servers(server: Arc<Mutex<MainServer>>, log: Log) {
    loop {
        let addresses: Vec<_> = match server.try_lock() {
            Ok(server) => server
                .primaries()
                .into_iter()
                .map(RedisServer::addr)
                .collect(),
            Err(_) => Vec::new(),
        };
        for address in addresses {
            let from = monotonic();
            // Its answer may be an error: it is one.
            let _ = command(address, &["PING"]).await;
            if monotonic() - from > millis(SLOW) * MILLI {
                log.now(What::Slow { from });
            }
        }
        sleep(PING_EVERY).await;
    }
}

async fn each(stage: &Stage, mut what: impl FnMut(&mut Replica)) {
    for slot in stage.slots() {
        if let Some(replica) = &mut *slot.replica.lock().await {
            what(replica);
        }
    }
}

/// Tells all replicas to stop at once, then waits for each.
async fn stop(stage: &Stage) -> io::Result<()> {
    let mut leaving = Vec::new();
    for slot in stage.slots() {
        if let Some(replica) = slot.replica.lock().await.take() {
            replica.signal(Signal::Term);
            leaving.push(replica);
        }
    }
    for replica in leaving {
        replica.gone().await?;
    }
    Ok(())
}

/// Records locks that still exist, and their other keys that would stay for ever.
async fn leftovers(addr: SocketAddr, group: &Group, log: &Log) -> io::Result<()> {
    // One script, because the helper sends one command per connection, which begins in database 0.
    let script = "if ARGV[1] ~= '0' then redis.call('SELECT', ARGV[1]) end local left = {} \
        for _, key in ipairs(redis.call('KEYS', '*lock:' .. ARGV[2] .. '*')) do \
          local ttl = redis.call('PTTL', key) \
          if string.sub(key, 1, 5) == 'lock:' or ttl == -1 then \
            left[#left + 1] = key .. ' ' .. ttl \
          end \
        end return left";
    let Reply::Array(left) = command(
        addr,
        &["EVAL", script, "0", &group.db.to_string(), &group.lock],
    )
    .await?
    else {
        return Err(io::Error::other(
            "the server does not say which keys are left",
        ));
    };
    for line in &left {
        if let Some((key, pttl)) = line.text().rsplit_once(' ') {
            log.now(What::Left {
                db: group.db,
                key: key.to_owned(),
                pttl: pttl.parse().unwrap_or(-1),
            });
        }
    }
    Ok(())
}

/// Creates an empty folder for this seed.
pub(crate) fn prepare(options: &Options) -> io::Result<PathBuf> {
    let folder = options.output.join(options.seed.to_string());
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(&folder)?;
    folder.canonicalize()
}
