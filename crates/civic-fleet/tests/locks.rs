//! `civic-fleet penalty-scheduler` and `civic-fleet lock`, as scripts use them: on the host, which
//! needs nothing, and against a peer that sends what ioredis sends.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use civic_testkit::redis::{RedisServer, Reply};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Nothing that is waited for takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

fn fleet(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_civic-fleet"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CIVIC_")) {
        command.env_remove(name);
    }
    command
        .env_remove("REDIS_URL")
        .env("CIVIC_LOCK_DIR", folder.join("locks"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

/// A folder of this test's own, removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("locks-{}-{nth}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A replica and what it prints.
struct Replica {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Replica {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines }
    }

    async fn next(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line())
            .await
            .expect("a line")
            .expect("text")?;
        Some(serde_json::from_str(&line).expect("one JSON object a line"))
    }

    async fn until(&mut self, event: &str) -> Value {
        loop {
            let line = self.next().await.expect("not the end");
            if line["event"] == event {
                return line;
            }
        }
    }

    async fn terminate(mut self) -> Vec<Value> {
        let pid = self
            .child
            .id()
            .and_then(|pid| Pid::from_raw(pid.cast_signed()))
            .expect("running");
        kill_process(pid, Signal::TERM).expect("a signal");
        let mut rest = Vec::new();
        while let Some(line) = self.next().await {
            rest.push(line);
        }
        assert!(self.child.wait().await.expect("an end").success());
        rest
    }
}

fn scheduler(folder: &Path, replica: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = fleet(folder);
    command.arg("penalty-scheduler").env("REPLICA", replica);
    command
        .env("CIVIC_SCHEDULE", "@every 1s")
        .env("CIVIC_LOCK_TTL", "1")
        .env("CIVIC_JOB_MS", "20");
    command.envs(settings.iter().copied());
    command
}

#[tokio::test]
async fn a_replica_prints_started_before_the_work_and_ran_after_it() {
    let folder = Folder::new();
    let mut replica = Replica::start(&mut scheduler(folder.path(), "first", &[]));
    let started = replica.next().await.expect("a line");
    let ran = replica.next().await.expect("a line");
    assert_eq!(started["event"], "started");
    assert_eq!(ran["event"], "ran");
    for line in [&started, &ran] {
        assert_eq!(line["replica"], "first");
        assert_eq!(line["attempt"], 1);
        assert_eq!(line["tick"], started["tick"]);
        assert_eq!(line["fence"], started["fence"]);
    }
    let tick = started["tick"].as_u64().expect("milliseconds");
    assert_eq!(tick % 1000, 0, "aligned to the epoch");
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("late")
        .as_millis();
    assert!(
        u128::from(tick).abs_diff(now) < 60_000,
        "epoch milliseconds: {tick}"
    );
    replica.terminate().await;
}

#[tokio::test]
async fn a_killed_replica_is_taken_over_and_one_that_is_told_to_stop_hands_over() {
    let folder = Folder::new();
    let mut a = Replica::start(&mut scheduler(
        folder.path(),
        "a",
        &[("CIVIC_JOB_MS", "600000")],
    ));
    let started = a.until("started").await;
    let mut b = Replica::start(&mut scheduler(
        folder.path(),
        "b",
        &[("CIVIC_JOB_MS", "600000")],
    ));
    a.child.kill().await.expect("killed");
    let again = b.until("started").await;
    assert_eq!(
        (&again["tick"], &again["attempt"]),
        (&started["tick"], &Value::from(2))
    );
    assert!(again["fence"].as_u64() > started["fence"].as_u64());

    let mut c = Replica::start(&mut scheduler(folder.path(), "c", &[]));
    let rest = b.terminate().await;
    assert!(
        rest.iter().any(|line| line["event"] == "handed-over"),
        "{rest:?}"
    );
    let taken = c.until("took-over").await;
    assert_eq!(
        (&taken["tick"], &taken["attempt"]),
        (&started["tick"], &Value::from(3))
    );
    c.terminate().await;
}

#[tokio::test]
async fn cron_expressions_with_seconds_zones_and_delivery_come_from_the_environment() {
    let folder = Folder::new();
    let settings = [
        ("CIVIC_SCHEDULE", "*/1 * * * * *"),
        ("CIVIC_TIMEZONE", "America/Montreal"),
        ("CIVIC_DELIVERY", "at-most-once"),
        ("CIVIC_CLOCK_SKEW_MS", "2500"),
        ("CIVIC_MISFIRE_GRACE", "90"),
    ];
    let mut replica = Replica::start(&mut scheduler(folder.path(), "a", &settings));
    let ran = replica.until("ran").await;
    // A fence is the store's clock in microseconds, at the claim.
    let (tick, fence) = (
        ran["tick"].as_u64().expect("a tick"),
        ran["fence"].as_u64().expect("a fence"),
    );
    assert!(fence / 1000 < tick, "its clock is ahead: {ran}");
    replica.terminate().await;
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_at_start_up() {
    let folder = Folder::new();
    for setting in [
        ("CIVIC_SCHEDULE", "0 0 31 2 *"),
        ("CIVIC_SCHEDULE", "@every 0s"),
        ("CIVIC_TIMEZONE", "Mars/Olympus"),
        ("CIVIC_DELIVERY", "exactly-once"),
        ("CIVIC_LOCK_TTL", "0"),
        ("CIVIC_LOCK_TTL", "-1"),
        ("CIVIC_JOB_MS", "long"),
    ] {
        let mut command = scheduler(folder.path(), "a", &[setting]);
        if setting.0 == "CIVIC_TIMEZONE" {
            command.env("CIVIC_SCHEDULE", "0 2 * * *");
        }
        let output = command.output().await.expect("an end");
        assert_eq!(output.status.code(), Some(2), "{setting:?}");
        assert!(output.stdout.is_empty(), "{setting:?}");
    }
}

fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
        .collect()
}

#[tokio::test]
async fn lock_prints_acquired_and_released_and_busy_for_the_rest() {
    let folder = Folder::new();
    let mut holder =
        Replica::start(fleet(folder.path()).args(["lock", "x", "--ttl", "5", "--hold", "600000"]));
    let acquired = holder.until("acquired").await;
    assert_eq!(acquired["key"], "lock:x");
    assert_eq!(acquired["ttlMs"], 5000);
    assert!(acquired["fence"].as_u64() > Some(0) && acquired["t"].as_u64() > Some(0));

    let busy = fleet(folder.path())
        .args(["lock", "x", "--ttl", "5", "--hold", "1"])
        .output()
        .await
        .expect("an end");
    assert_eq!(busy.status.code(), Some(1));
    let lines = events(&busy);
    assert_eq!((lines.len(), &lines[0]["event"]), (1, &Value::from("busy")));
    assert_eq!(lines[0]["holder"], acquired["holder"]);

    // SIGTERM releases.
    let rest = holder.terminate().await;
    assert_eq!(rest.last().expect("a line")["event"], "released");
    let free = fleet(folder.path())
        .args(["lock", "x", "--ttl", "5", "--hold", "1", "--count", "3"])
        .output()
        .await
        .expect("an end");
    assert_eq!(free.status.code(), Some(0));
    let lines = events(&free);
    let names: Vec<_> = lines
        .iter()
        .filter_map(|line| line["event"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "acquired", "released", "acquired", "released", "acquired", "released"
        ]
    );
    let fences: Vec<_> = lines
        .iter()
        .step_by(2)
        .filter_map(|line| line["fence"].as_u64())
        .collect();
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
}

#[tokio::test]
async fn lock_is_unavailable_without_its_store_and_lost_when_the_key_is_taken_away() {
    let folder = Folder::new();
    let mut server = RedisServer::start().await;
    let mut holder = Replica::start(
        fleet(folder.path())
            .env("REDIS_URL", server.url())
            .args(["lock", "x", "--ttl", "1", "--hold", "600000"]),
    );
    holder.until("acquired").await;
    server
        .command(&["SET", "lock:x", "somebody else", "XX"])
        .await;
    let lost = holder.until("lost").await;
    assert_eq!(lost["key"], "lock:x");
    assert_eq!(
        server.command(&["GET", "lock:x"]).await,
        Reply::Text("somebody else".to_owned())
    );

    server.kill();
    let away = fleet(folder.path())
        .env("REDIS_URL", server.url())
        .args(["lock", "x", "--ttl", "1", "--hold", "1"])
        .output()
        .await
        .expect("an end");
    assert_eq!(away.status.code(), Some(1));
    assert_eq!(events(&away)[0]["event"], "unavailable");
}

/// What the peers of a trial have written to their files, in the order of the machine's clock.
fn marks(files: &[&Path]) -> Vec<Value> {
    let mut marks: Vec<Value> = files
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).expect("the hammer's file");
            text.lines()
                .map(|line| serde_json::from_str(line).expect("JSON"))
                .collect::<Vec<Value>>()
        })
        .collect();
    marks.sort_by_key(|mark| mark["monoNs"].as_u64());
    marks
}

async fn hammers_never_overlap(url: Option<String>) {
    let folder = Folder::new();
    let files: Vec<_> = ["a", "b", "c"].map(|who| folder.path().join(who)).into();
    let mut hammers = Vec::new();
    for (who, file) in ["a", "b", "c"].iter().zip(&files) {
        let mut command = fleet(folder.path());
        command
            .args([
                "lock", "x", "--ttl", "5", "--hold", "2", "--hammer", "2", "--who", who, "--events",
            ])
            .arg(file);
        command.envs(url.iter().map(|url| ("REDIS_URL", url)));
        hammers.push(command.spawn().expect("a hammer"));
    }
    for hammer in hammers {
        let output = hammer.wait_with_output().await.expect("an end");
        // A disk that is busy for longer than the command timeout makes the store unavailable for a moment.
        let tally = events(&output).pop().expect("the last line");
        assert_eq!(
            (&tally["event"], &tally["lost"]),
            (&Value::from("hammered"), &Value::from(0)),
            "{output:?}"
        );
    }
    let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
    let marks = marks(&files);
    assert!(marks.len() >= 10, "{} marks in two seconds", marks.len());
    for pair in marks.chunks(2) {
        assert_eq!(
            (&pair[0]["ev"], &pair[1]["ev"]),
            (&Value::from("enter"), &Value::from("leave")),
            "{pair:?}"
        );
        assert_eq!(
            pair[0]["who"], pair[1]["who"],
            "two holders at once: {pair:?}"
        );
        assert_eq!(pair[0]["key"], "lock:x");
        assert_eq!(pair[0]["ttl"], 5.0);
    }
    let holders: BTreeSet<_> = marks
        .iter()
        .filter_map(|mark| mark["who"].as_str())
        .collect();
    assert!(holders.len() > 1, "nobody had a rival: {holders:?}");
}

#[tokio::test]
async fn hammers_never_overlap_on_the_host() {
    hammers_never_overlap(None).await;
}

#[tokio::test]
async fn hammers_never_overlap_on_redis() {
    let server = RedisServer::start().await;
    hammers_never_overlap(Some(server.url())).await;
}
