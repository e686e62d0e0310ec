//! A replica as a separate process: what it does, and how a test starts it.
//!
//! The binary that runs the tests is also the replica. Started with [`ROLE`] in its environment it
//! runs one scheduler with one job, and tells what happens in lines that begin with `@`.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use civic_lock::{Coalesce, Delivery, Job, LockService, Run, Scheduler};
use civic_testkit::process;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::support::event_log::EventLog;
use crate::support::local::records;
use crate::support::store::{Location, PATIENCE};

const ROLE: &str = "CIVIC_LOCK_TEST_REPLICA";

/// What a replica is told.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) location: Location,
    pub(crate) interval: Duration,
    pub(crate) ttl: Duration,
    pub(crate) work: Work,
    pub(crate) skew_ms: i64,
    pub(crate) delivery: Delivery,
    pub(crate) grace: Option<Duration>,
    pub(crate) poll_cap: Duration,
    pub(crate) minimum_hold: Option<Duration>,
}

/// What the job does.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Takes so long.
    Takes(Duration),
    /// Never ends on the replica of this name; ends at once on others.
    HangsOn(String),
    /// Writes to a fenced resource every 20 ms, from a thread that does not care for its lease,
    /// on the replica of this name; ends at once on others.
    WritesOn(String, PathBuf),
}

pub(crate) const JOB: &str = "job";

impl Config {
    pub(crate) fn new(location: &Location) -> Self {
        Self {
            location: location.clone(),
            interval: Duration::from_millis(500),
            // Longer than a stall of a busy machine, so that only a holder that is gone loses it.
            ttl: Duration::from_secs(3),
            work: Work::Takes(Duration::from_millis(20)),
            skew_ms: 0,
            delivery: Delivery::AtLeastOnce,
            grace: None,
            poll_cap: Duration::from_secs(5),
            minimum_hold: None,
        }
    }

    fn to_env(&self) -> HashMap<&'static str, String> {
        let mut env = HashMap::from([
            ("T_INTERVAL", self.interval.as_millis().to_string()),
            ("T_TTL", self.ttl.as_millis().to_string()),
            ("T_SKEW", self.skew_ms.to_string()),
            (
                "T_AT_MOST_ONCE",
                (self.delivery == Delivery::AtMostOnce).to_string(),
            ),
            ("T_POLL_CAP", self.poll_cap.as_millis().to_string()),
        ]);
        let optional = [
            ("T_GRACE", self.grace),
            ("T_MINIMUM_HOLD", self.minimum_hold),
        ];
        env.extend(
            optional
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?.as_millis().to_string()))),
        );
        match &self.work {
            Work::Takes(length) => drop(env.insert("T_TAKES", length.as_millis().to_string())),
            Work::HangsOn(replica) => drop(env.insert("T_HANGS_ON", replica.clone())),
            Work::WritesOn(replica, resource) => {
                env.insert("T_WRITES_ON", replica.clone());
                env.insert("T_RESOURCE", resource.display().to_string());
            }
        }
        env
    }
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

fn millis(name: &str) -> Option<Duration> {
    number(name).map(Duration::from_millis)
}

fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "@{line}");
    let _ = stdout.flush();
}

/// Runs a scheduler until SIGTERM.
async fn run_replica(name: String) {
    // The parent may be killed: its end of the pipe is closed then.
    std::thread::spawn(|| {
        let _ = std::io::stdin().lock().read_line(&mut String::new());
        std::process::exit(3);
    });
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .expect("a handler");
    let builder = LockService::builder();
    let builder = match std::env::var("T_REDIS") {
        Ok(url) => builder.redis_url(url),
        Err(_) => builder.host_folder(std::env::var("T_FOLDER").expect("a place")),
    };
    let locks = builder.command_timeout(PATIENCE).build();
    let locks = locks.expect("a service");

    let mut job = Job::every(JOB, millis("T_INTERVAL").expect("an interval"))
        .expect("a job")
        // However often the holders of one tick are killed.
        .max_attempts(1000)
        .coalesce(Coalesce::Every)
        .ttl(millis("T_TTL").expect("a ttl"));
    if number("T_AT_MOST_ONCE") == Some(true) {
        job = job.delivery(Delivery::AtMostOnce);
    }
    if let Some(grace) = millis("T_GRACE") {
        job = job.misfire_grace(grace);
    }
    if let Some(hold) = millis("T_MINIMUM_HOLD") {
        job = job.minimum_hold(hold);
    }
    let skew: i64 = number("T_SKEW").unwrap_or_default();
    let skew_by = Duration::from_millis(skew.unsigned_abs());
    let worker = Arc::new(name);
    Scheduler::new(&locks)
        .shutdown_bound(Duration::ZERO)
        .poll_cap(millis("T_POLL_CAP").expect("a cap"))
        .clock(move || {
            if skew < 0 {
                SystemTime::now() - skew_by
            } else {
                SystemTime::now() + skew_by
            }
        })
        .on_event(|_, event| {
            for record in records(event) {
                say(&format!("{} {record}", event.name()));
            }
        })
        .job(job, move |run| work(worker.clone(), run))
        .expect("a valid job")
        .run(async move {
            say("ready 0 0 0");
            terminate.recv().await;
        })
        .await;
    say("stopped 0 0 0");
}

async fn work(name: Arc<String>, run: Run) -> Result<(), std::io::Error> {
    let here = |variable| std::env::var(variable).is_ok_and(|replica| replica == *name);
    if here("T_HANGS_ON") {
        return std::future::pending().await;
    }
    if here("T_WRITES_ON") {
        let resource =
            FencedResource::at(Path::new(&std::env::var("T_RESOURCE").expect("a resource")));
        let (tick, fence, attempt) = (run.tick().as_millis(), run.lease().fence(), run.attempt());
        std::thread::spawn(move || {
            loop {
                let written = resource.write(fence);
                let told = run.lease().check().is_err();
                match written {
                    Ok(()) => say(&format!("wrote {tick} {fence} {attempt}")),
                    Err(_) => {
                        return say(&format!(
                            "{} {tick} {fence} {attempt}",
                            if told { "refused-and-told" } else { "refused" }
                        ));
                    }
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        return std::future::pending().await;
    }
    if let Some(path) = std::env::var_os("T_RESOURCE") {
        FencedResource::at(Path::new(&path)).write(run.lease().fence())?;
    }
    tokio::time::sleep(millis("T_TAKES").unwrap_or_default()).await;
    // Said by the work itself: a replica may be killed after the record of a tick and before its
    // event.
    let tick = run.tick().as_millis();
    say(&format!(
        "worked {tick} {} {}",
        run.lease().fence(),
        run.attempt()
    ));
    Ok(())
}

/// The checking half of a fence: accepts a write whose token is not smaller than the largest seen.
pub(crate) struct FencedResource(PathBuf);

impl FencedResource {
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn write(&self, fence: u64) -> Result<(), std::io::Error> {
        let _guard = self.guard()?;
        let seen: u64 = std::fs::read_to_string(&self.0)?
            .parse()
            .unwrap_or_default();
        if fence < seen {
            return Err(std::io::Error::other(format!(
                "{fence} is older than {seen}"
            )));
        }
        std::fs::write(&self.0, fence.to_string())
    }

    /// Keeps every writer out, as long as it is not dropped.
    pub(crate) fn guard(&self) -> Result<std::fs::File, std::io::Error> {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .open(&self.0)?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    }
}

/// A replica that is running. Killed when dropped.
pub(crate) struct Replica {
    pub(crate) name: String,
    child: Child,
    // Closed when this process ends, however it ends, and the child ends too.
    _stdin: tokio::process::ChildStdin,
}

impl Replica {
    /// Starts one and hands its lines to the events.
    pub(crate) async fn start(name: &str, config: &Config, events: &EventLog) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command
            .args([
                "--exact",
                "support::replica::a_replica_tells_what_it_does",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(ROLE, name)
            .envs(config.to_env())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        match &config.location {
            Location::Redis(url) => command.env("T_REDIS", url),
            Location::Host(folder) => command.env("T_FOLDER", folder),
        };
        let mut child = command.spawn().expect("a replica");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let stdin = child.stdin.take().expect("piped");
        let (events, replica) = (events.clone(), name.to_owned());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                // The test harness prints half a line before the first one.
                if let Some((_, record)) = line.split_once('@') {
                    events.record(&replica, record, Instant::now());
                }
            }
            events.record(&replica, "gone 0 0 0", Instant::now());
        });
        Self {
            name: name.to_owned(),
            child,
            _stdin: stdin,
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self
            .child
            .id()
            .and_then(|pid| Pid::from_raw(pid.cast_signed()))
            .expect("a running replica");
        process::signal(pid, signal).expect("a signal");
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("killed");
    }

    /// SIGTERM, and waits until it is gone.
    pub(crate) async fn terminate(mut self) {
        self.signal(Signal::TERM);
        let status = self.child.wait().await.expect("an end");
        assert!(
            status.success(),
            "replica {} ended with {status}",
            self.name
        );
    }
}

/// The entry of the children; on its own, a test that one can be started and stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_tells_what_it_does() {
    if let Ok(name) = std::env::var(ROLE) {
        return run_replica(name).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let events = EventLog::default();
    let replica = Replica::start(
        "a",
        &Config::new(&Location::Host(folder.path().join("locks"))),
        &events,
    )
    .await;
    let ran = events
        .until("the first tick has run", |log| {
            log.iter().find(|record| record.event == "ran").cloned()
        })
        .await;
    assert_eq!((ran.replica.as_str(), ran.attempt), ("a", 1));
    replica.terminate().await;
    events
        .until("it is gone", |log| {
            log.iter().find(|record| record.event == "gone").cloned()
        })
        .await;
    assert!(events.log().iter().any(|record| record.event == "stopped"));
}
