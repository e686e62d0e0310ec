//! Holders as separate processes: this test binary, started again.
//!
//! A child takes its orders from the environment and tells what happens on its standard output,
//! one line per event.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use civic_lock::{Delivery, LockService};
use civic_testkit::process;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::election::elected;
use crate::support::lock::acquired;
use crate::support::once::started;
use crate::support::store::{Fixture, PATIENCE};

const ORDER: &str = "CIVIC_LOCK_TEST_CHILD";

/// Not a test of its own: where the children begin.
#[tokio::test]
async fn child_process() {
    let Ok(order) = std::env::var(ORDER) else {
        return;
    };
    match order.as_str() {
        "execute" => execute().await,
        "hold" => hold().await,
        "lead" => lead().await,
        "environment" => environment(),
        other => panic!("no such order: {other}"),
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).expect("the parent has set it")
}

/// The store that the parent has chosen, and the ttl.
fn service() -> (LockService, Duration) {
    let builder = LockService::builder();
    let service = match std::env::var("TEST_REDIS") {
        Ok(url) => builder.redis_url(url),
        Err(_) => builder.host_folder(variable("TEST_FOLDER")),
    }
    .command_timeout(PATIENCE)
    .max_hold(Duration::from_secs(3600))
    .build()
    .expect("valid settings");
    let ttl = Duration::from_millis(variable("TEST_TTL").parse().expect("a number"));
    (service, ttl)
}

/// Begins an execution, works until its lease is lost, and then records a result all the same.
async fn execute() {
    let (service, ttl) = service();
    let delivery = match variable("TEST_DELIVERY").as_str() {
        "at_most_once" => Delivery::AtMostOnce,
        _ => Delivery::AtLeastOnce,
    };
    let request = service.once("nightly").delivery(delivery).ttl(ttl);
    let run = started(request.begin().await);
    println!("\nbegun {}", run.lease().fence());
    run.lease().lost().await;
    let recorded = run.complete(b"late").await;
    println!("\ncompleted {:?}", recorded.map_err(|error| error.kind()));
}

/// Takes the lock, and tells when it is lost.
async fn hold() {
    let (service, ttl) = service();
    let guard = acquired(service.try_acquire("nightly", ttl).await);
    println!("\nheld {}", guard.lease().fence());
    let reason = guard.lease().lost().await;
    let sure = guard.lease().check().is_ok();
    println!("\nlost {reason:?} {sure}");
}

/// Leads until it is deposed, and tells when.
async fn lead() {
    let (service, ttl) = service();
    let election = service.election("nightly", ttl).expect("a valid ttl");
    let leadership = elected(&election).await;
    println!("\nleads {}", leadership.fence());
    let reason = leadership.lost().await;
    println!("\ndeposed {reason:?} {}", election.is_leader());
}

/// Builds a service from the environment, and says what came of it.
fn environment() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stdout)
        .with_ansi(false)
        .init();
    let mut builder = LockService::builder();
    if std::env::var_os("TEST_REQUIRE_REDIS").is_some() {
        builder = builder.require_redis();
    }
    match builder.build() {
        Ok(service) => println!("\nbuilt {:?}", service.backend()),
        // The second line is what a `main` that returns the error prints.
        Err(error) => println!("\nrefused {:?} {error}\nError: {error:?}", error.kind()),
    }
}

/// A child. Killed when dropped.
pub(crate) struct HolderProcess {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl HolderProcess {
    pub(crate) fn start(order: &str, environment: &[(&str, &str)]) -> Self {
        let program = std::env::current_exe().expect("this binary has a path");
        let mut child = Command::new(program)
            .args(["--exact", "support::holder::child_process", "--nocapture"])
            .env_remove("CIVIC_LOCK_NAMESPACE")
            .env_remove("CIVIC_LOCK_STORE")
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env_remove("NODE_ENV")
            .env_remove("REDIS_URL")
            .env(ORDER, order)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this binary starts");
        let stdout = child.stdout.take().expect("it is piped");
        Self {
            child,
            lines: BufReader::new(stdout),
        }
    }

    /// One that holds the lock of `place`, and its fence.
    pub(crate) async fn holding(store: &Fixture, ttl: Duration) -> (Self, u64) {
        let (replica, held) = Self::on(store, "hold", ttl, "").line("held ").await;
        let fence = held.trim().parse().expect("a fence");
        (replica, fence)
    }

    /// One that leads the election of `nightly`, and its fence.
    pub(crate) async fn leading(store: &Fixture, ttl: Duration) -> (Self, u64) {
        let (replica, leads) = Self::on(store, "lead", ttl, "").line("leads ").await;
        let fence = leads.trim().parse().expect("a fence");
        (replica, fence)
    }

    /// One that executes what the key `nightly` stands for, and its fence.
    pub(crate) async fn executing(
        store: &Fixture,
        ttl: Duration,
        delivery: Delivery,
    ) -> (Self, u64) {
        let replica = Self::on(store, "execute", ttl, delivery.as_str());
        let (replica, begun) = replica.line("begun ").await;
        let fence = begun.trim().parse().expect("a fence");
        (replica, fence)
    }

    fn on(store: &Fixture, order: &str, ttl: Duration, delivery: &str) -> Self {
        let (place, value) = match store {
            Fixture::Redis(server) => ("TEST_REDIS", server.url()),
            Fixture::Host(folder) => {
                let folder = folder.path().join("locks");
                ("TEST_FOLDER", folder.display().to_string())
            }
        };
        let ttl = ttl.as_millis().to_string();
        let environment = [
            ("TEST_TTL", ttl.as_str()),
            ("TEST_DELIVERY", delivery),
            (place, &value),
        ];
        Self::start(order, &environment)
    }

    /// Waits for a line that begins like this, and answers its rest.
    pub(crate) async fn line(mut self, begins: &'static str) -> (Self, String) {
        let pid = self.pid();
        let reads = tokio::task::spawn_blocking(move || {
            let mut seen = String::new();
            loop {
                let mut line = String::new();
                let length = self.lines.read_line(&mut line).expect("a readable pipe");
                assert!(length > 0, "the child never said {begins:?}: {seen}");
                if let Some(rest) = line.strip_prefix(begins) {
                    return (self, rest.trim_end().to_owned());
                }
                seen.push_str(&line);
            }
        });
        match tokio::time::timeout(Duration::from_secs(60), reads).await {
            Ok(line) => line.expect("no panic"),
            Err(_) => {
                // Its end ends the thread that reads.
                let _ = kill_process(pid, Signal::KILL);
                panic!("the child never said {begins:?}")
            }
        }
    }

    /// Everything that it has to say until it ends.
    pub(crate) async fn output(mut self) -> String {
        tokio::task::spawn_blocking(move || {
            let mut output = String::new();
            std::io::Read::read_to_string(&mut self.lines, &mut output).expect("a readable pipe");
            output
        })
        .await
        .expect("no panic")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        process::signal(self.pid(), signal).expect("our own child");
    }

    fn pid(&self) -> Pid {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        pid.expect("the kernel's process ids are positive")
    }
}

impl Drop for HolderProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
