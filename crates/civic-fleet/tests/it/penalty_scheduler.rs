//! `civic-fleet penalty-scheduler`, as scripts use it, on the lock store of one machine.

use std::path::Path;
use std::process::Stdio;
use std::time::SystemTime;

use civic_testkit::program::Program;
use serde_json::Value;
use tokio::process::Command;

fn fleet(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_civic-fleet"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CIVIC_")) {
        command.env_remove(name);
    }
    command
        .env_remove("REDIS_URL")
        .env("CIVIC_LOCK_DIR", folder.join("locks"))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn scheduler(folder: &Path, replica: &str, settings: &[(&str, &str)]) -> Command {
    let mut command = fleet(folder);
    command.arg("penalty-scheduler").env("REPLICA", replica);
    command
        .env("CIVIC_SCHEDULE", "@every 1s")
        // A stall of the machine does not lose it, and one whose process has ended is free.
        .env("CIVIC_LOCK_TTL", "20")
        .env("CIVIC_JOB_MS", "20");
    command.envs(settings.iter().copied());
    command
}

#[tokio::test]
async fn a_replica_prints_started_before_the_work_and_ran_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut replica = Program::start(&mut scheduler(folder.path(), "first", &[]));
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
    let folder = tempfile::tempdir().unwrap();
    let mut a = Program::start(&mut scheduler(
        folder.path(),
        "a",
        &[("CIVIC_JOB_MS", "600000")],
    ));
    let started = a.until("started").await;
    let at_once = ("CIVIC_SHUTDOWN_BOUND_MS", "0");
    let mut b = Program::start(&mut scheduler(
        folder.path(),
        "b",
        &[("CIVIC_JOB_MS", "600000"), at_once],
    ));
    a.kill().await;
    let again = b.until("started").await;
    assert_eq!(
        (&again["tick"], &again["attempt"]),
        (&started["tick"], &Value::from(2))
    );
    assert!(again["fence"].as_u64() > started["fence"].as_u64());

    let mut c = Program::start(&mut scheduler(folder.path(), "c", &[]));
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
async fn a_replica_that_is_told_to_stop_finishes_its_tick_within_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    // Longer than it takes to tell it.
    let settings = [("CIVIC_JOB_MS", "4000")];
    let mut replica = Program::start(&mut scheduler(folder.path(), "a", &settings));
    let started = replica.until("started").await;
    let rest = replica.terminate().await;
    let events: Vec<_> = rest.iter().map(|line| &line["event"]).collect();
    assert_eq!(events, ["ran"], "{rest:?}");
    assert_eq!(rest[0]["tick"], started["tick"]);
}

#[tokio::test]
async fn cron_expressions_with_seconds_zones_and_delivery_come_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("CIVIC_SCHEDULE", "*/1 * * * * *"),
        ("CIVIC_TIMEZONE", "America/Montreal"),
        ("CIVIC_DELIVERY", "at-most-once"),
        ("CIVIC_CLOCK_SKEW_MS", "4500"),
        ("CIVIC_MISFIRE_GRACE", "90"),
    ];
    let mut replica = Program::start(&mut scheduler(folder.path(), "a", &settings));
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
    let folder = tempfile::tempdir().unwrap();
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
