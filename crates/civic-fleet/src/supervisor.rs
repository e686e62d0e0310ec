//! Ends a process with the one that started it.
//!
//! A supervisor that is killed cannot stop its children, and on Unix they live on. But the kernel
//! closes its pipes: a child whose stdin is such a pipe reads the end of the file at the moment at
//! which the supervisor is gone, for whatever reason.

use std::io::{self, Read};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

/// How long an orderly stop may take before the process ends all the same.
const LIMIT: Duration = Duration::from_secs(12);

/// Sends this process SIGTERM when stdin ends, so that it stops as it would at any other time.
pub(crate) fn stop_with_stdin() {
    std::thread::spawn(|| {
        let mut stdin = io::stdin().lock();
        let mut ignored = [0; 256];
        while matches!(stdin.read(&mut ignored), Ok(read) if read > 0) {}
        if kill_process(getpid(), Signal::TERM).is_ok() {
            std::thread::sleep(LIMIT);
        }
        std::process::exit(1)
    });
}
