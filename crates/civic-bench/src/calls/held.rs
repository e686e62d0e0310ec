//! What calls in flight cost in memory: each client in a process of its own, before a peer that
//! does not answer.

use std::fs;
use std::process::Command;
use std::time::Duration;

use tokio::runtime;

use super::client::{Client, Kind};
use super::peer::Peer;

/// How many calls are in flight.
pub const CALLS: usize = 10_000;

/// Returns the memory in KB per call in flight of this client, measured in a process of its own.
///
/// # Panics
///
/// If the process fails, for example because it may not open as many sockets.
#[must_use]
pub fn memory(kind: Kind, peer: &Peer) -> f64 {
    let program = std::env::current_exe().expect("this program is somewhere");
    let output = Command::new(program)
        .args(["--hold", kind.name(), &peer.url()])
        .output()
        .expect("the process starts");
    let told = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    let kilobytes: f64 = told
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{} calls in flight: {failed}", kind.name()));
    kilobytes / CALLS as f64
}

/// Holds the calls in flight, and prints by how many KB the process has grown.
///
/// # Panics
///
/// If a call ends.
pub fn hold(kind: Kind, url: &str) {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let client = Client::new(kind, url);
        // What is made for the first call is made before.
        client.rows(1).await;
        let before = resident();
        for _ in 0..CALLS {
            let client = client.clone();
            tokio::spawn(async move { client.held().await });
        }
        let asking = Client::new(Kind::Hyper, url);
        while asking.number_held().await < CALLS {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("{}", resident() - before);
    });
}

/// Returns the memory of this process in KB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kilobytes| kilobytes.parse().ok())
        .expect("Linux tells")
}
