//! A server whose wall clock is set wrong, and right again.
//!
//! The library that makes this possible is built here, with the C compiler that a Rust toolchain
//! needs as a linker.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use civic_lock::{Scheduler, Tick};
use civic_testkit::redis::RedisServer;
use tempfile::TempDir;

use crate::support::event_log::{EventLog, assert_no_gap, by_tick, count, elapse};
use crate::support::local::{Local, every};
use crate::support::store::locks_at;

const SOURCE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../civic-chaos/clock/shifted.c"
);

/// A redis-server whose wall clock follows a file.
struct SteppedServer {
    server: RedisServer,
    clock: PathBuf,
    _folder: TempDir,
}

impl SteppedServer {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let library = folder.path().join("shifted.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(SOURCE)
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "this test needs the C compiler cc"
        );
        let clock = folder.path().join("clock");
        fs::write(&clock, 0_i64.to_ne_bytes()).expect("a file");
        let environment = [
            ("LD_PRELOAD", library.as_os_str()),
            ("CIVIC_CLOCK_FILE", OsStr::new(&clock)),
        ];
        Self {
            server: RedisServer::start_in(&[], &environment).await,
            clock,
            _folder: folder,
        }
    }

    fn set_wrong_by(&self, seconds: i64) {
        // In place: the server has mapped this very file.
        let mut clock = OpenOptions::new()
            .write(true)
            .open(&self.clock)
            .expect("the file");
        clock.write_all(&seconds.to_ne_bytes()).expect("written");
    }
}

async fn a_step(seconds: i64) {
    let stepped = SteppedServer::start().await;
    let replicas: Vec<_> = (0..2)
        .map(|_| {
            let locks = locks_at(stepped.server.url());
            let events = EventLog::default();
            let quick = |scheduler: Scheduler| scheduler.poll_cap(Duration::from_millis(100));
            let local = Local::start(&locks, every(2000), &events, quick, |_| async { Ok(()) });
            (local, events)
        })
        .collect();
    for (_, events) in &replicas {
        events
            .until("a tick has run somewhere", |log| {
                (count(log, &["ran", "skipped"]) > 0).then_some(())
            })
            .await;
    }
    stepped.set_wrong_by(seconds);
    let mut suspect = Vec::new();
    for (_, events) in &replicas {
        events.event("clock-suspect", None, 0).await;
        suspect.push(events.len());
    }
    // Longer than two intervals.
    elapse(Duration::from_secs(5)).await;
    for ((_, events), seen) in replicas.iter().zip(&suspect) {
        let meanwhile = &events.log()[*seen..];
        assert_eq!(
            count(meanwhile, &["started", "ran", "missed", "skipped"]),
            0,
            "{meanwhile:#?}"
        );
    }
    stepped.set_wrong_by(0);
    let latest = Tick::from(SystemTime::now()).as_millis() + 2000;
    for ((_, events), seen) in replicas.iter().zip(&suspect) {
        let next = events
            .until("ticks go on", |log| {
                let mut after = log.iter().skip(*seen);
                after
                    .find(|record| ["started", "skipped"].contains(&record.event.as_str()))
                    .cloned()
            })
            .await;
        assert!(next.tick <= latest, "{next:?}: not within an interval");
    }
    let mut all = Vec::new();
    for (local, events) in replicas {
        local.stop().await;
        all.extend(events.log());
    }
    assert_eq!(count(&all, &["missed", "watermark-ahead"]), 0, "{all:#?}");
    let ticks = by_tick(&all);
    assert_no_gap(&ticks, Duration::from_secs(2));
    for (tick, records) in &ticks {
        assert!(count(records, &["ran"]) <= 1, "{tick}: {records:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_clock_was_two_hours_ahead_and_is_right_again_goes_on_within_an_interval() {
    a_step(2 * 3600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_clock_was_two_hours_back_and_is_right_again_goes_on_within_an_interval() {
    a_step(-2 * 3600).await;
}
