//! `civic lock hold`, as scripts use it, on both lock stores.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Output, Stdio};

use civic_testkit::program::Program;
use civic_testkit::redis::{RedisServer, Reply};
use serde_json::Value;
use tokio::process::Command;

fn civic(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_civic"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CIVIC_")) {
        command.env_remove(name);
    }
    command
        .env_remove("REDIS_URL")
        .env("CIVIC_LOCK_DIR", folder.join("locks"))
        .args(["lock", "hold"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
        .collect()
}

#[tokio::test]
async fn lock_hold_prints_acquired_and_released_and_busy_for_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let mut holder =
        Program::start(civic(folder.path()).args(["x", "--ttl", "5", "--hold", "600000"]));
    let acquired = holder.until("acquired").await;
    assert_eq!(acquired["key"], "lock:x");
    assert_eq!(acquired["ttlMs"], 5000);
    assert!(acquired["fence"].as_u64() > Some(0) && acquired["t"].as_u64() > Some(0));

    let busy = civic(folder.path())
        .args(["x", "--ttl", "5", "--hold", "1"])
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
    let free = civic(folder.path())
        .args(["x", "--ttl", "5", "--hold", "1", "--count", "3"])
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
async fn lock_hold_takes_a_ttl_at_either_end_of_its_range() {
    let folder = tempfile::tempdir().unwrap();
    for (ttl, millis) in [("0.5", 500_u64), ("604800", 604_800_000)] {
        // A busy machine may lose the shortest one.
        let held = loop {
            let held = civic(folder.path())
                .args(["x", "--ttl", ttl, "--hold", "1"])
                .output()
                .await
                .expect("an end");
            let is_lost = |line: &Value| line["event"] == "lost";
            if !events(&held).iter().any(is_lost) {
                break held;
            }
        };
        assert_eq!(held.status.code(), Some(0), "{ttl}");
        assert_eq!(events(&held)[0]["ttlMs"], millis);
    }
}

#[tokio::test]
async fn lock_hold_is_unavailable_without_its_store_and_lost_when_the_key_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = RedisServer::start().await;
    let mut holder = Program::start(
        civic(folder.path())
            .env("REDIS_URL", server.url())
            .args(["x", "--ttl", "5", "--hold", "600000"]),
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
    let away = civic(folder.path())
        .env("REDIS_URL", server.url())
        .args(["x", "--ttl", "1", "--hold", "1"])
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
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> = ["a", "b", "c"].map(|who| folder.path().join(who)).into();
    let mut hammers = Vec::new();
    for (who, file) in ["a", "b", "c"].iter().zip(&files) {
        let mut command = civic(folder.path());
        command
            .args([
                "x", "--ttl", "5", "--hold", "2", "--hammer", "4", "--who", who, "--events",
            ])
            .arg(file);
        command.envs(url.iter().map(|url| ("REDIS_URL", url)));
        hammers.push(command.spawn().expect("a hammer"));
    }
    for hammer in hammers {
        let output = hammer.wait_with_output().await.expect("an end");
        // A disk that is busy for longer than the command timeout makes the store unavailable for a
        // moment.
        let tally = events(&output).pop().expect("the last line");
        assert_eq!(
            (&tally["event"], &tally["lost"]),
            (&Value::from("hammered"), &Value::from(0)),
            "{output:?}"
        );
    }
    let files: Vec<&Path> = files.iter().map(AsRef::as_ref).collect();
    let marks = marks(&files);
    assert!(marks.len() >= 10, "{} marks in four seconds", marks.len());
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
