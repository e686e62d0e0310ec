//! A process whose name servers are silent: a fault test, with real threads and in real time.

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use civic_client::{ErrorKind, ServiceClient};
use civic_lock::{LeaseEnd, LockService, Outcome};
use tokio::runtime;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

/// Set in the process that has a `resolv.conf` of its own.
const MARK: &str = "CIVIC_TEST_SILENT_NAME_SERVERS";
/// Nothing else is there, and what arrives is never read.
const SILENT: &str = "127.53.53.53";
const NAME: &str =
    "silent_name_servers::calls_while_the_name_servers_are_silent_leave_threads_and_leases_alone";

/// 600 calls while `getaddrinfo` hangs: at most 16 threads more than before, other blocking work is
/// not kept waiting, and a lease that is held beside them is kept.
#[test]
#[ignore = "needs root, for a resolv.conf of its own: cargo test -p civic-fleet --test it -- --ignored silent"]
fn calls_while_the_name_servers_are_silent_leave_threads_and_leases_alone() {
    if env::var_os(MARK).is_none() {
        return in_a_mount_namespace();
    }
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let locks = LockService::builder()
            .host_folder(folder.path().join("locks"))
            .build()
            .unwrap();
        let work = async |_| {
            let before = threads();
            let client = ServiceClient::builder("http://slow.example.test")
                .anonymous()
                .build()
                .unwrap();
            let mut calls = JoinSet::new();
            for _ in 0..600 {
                let client = client.clone();
                calls.spawn(async move {
                    let call = client.get("/").timeout(Duration::from_millis(500));
                    call.send_raw().await.unwrap_err()
                });
            }
            // Twice as long as a lease lives that is not renewed.
            for _ in 0..12 {
                sleep(Duration::from_millis(500)).await;
                let asked = Instant::now();
                spawn_blocking(|| ()).await.unwrap();
                assert!(
                    asked.elapsed() < Duration::from_millis(50),
                    "{:?}",
                    asked.elapsed()
                );
                assert!(threads() <= before + 16, "{before} became {}", threads());
            }
            for error in calls.join_all().await {
                assert_eq!(error.kind(), ErrorKind::Timeout);
                assert_eq!(error.attempts(), 3, "nothing was sent: {error}");
            }
        };
        let outcome = locks
            .with_lock("beside", Duration::from_secs(3), work)
            .await;
        assert!(
            matches!(
                outcome,
                Outcome::Ran {
                    lease: LeaseEnd::Kept,
                    ..
                }
            ),
            "{outcome:?}"
        );
    });
    // It would wait for the look-up.
    runtime.shutdown_background();
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// Runs this test again in a process of its own, with a name server that never answers.
fn in_a_mount_namespace() {
    let _silent = UdpSocket::bind((SILENT, 53)).expect("port 53 can be had, as root");
    let folder = tempfile::tempdir().unwrap();
    let resolv = folder.path().join("resolv.conf");
    fs::write(&resolv, format!("nameserver {SILENT}\n")).unwrap();
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c"])
        .arg("mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"")
        .arg(&resolv)
        .arg(env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", NAME])
        .env(MARK, "1")
        .status()
        .expect("unshare is installed");
    assert!(status.success(), "{status}");
}
