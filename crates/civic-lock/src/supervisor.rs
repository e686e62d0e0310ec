//! Ends a process with the one that started it.
//!
//! A supervisor that is killed cannot stop its children, and on Unix they live on, with their
//! leases. But the kernel closes its pipes: a child whose stdin is such a pipe reads the end of the
//! file at the moment at which the supervisor is gone, for whatever reason.

use std::io::{self, Read};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

/// Sends this process SIGTERM when its stdin ends, so that it stops as it would at any other time,
/// and ends it after `limit` if it has not stopped by then.
///
/// Use it in a program whose supervisor holds the other end of its stdin. The limit is the time of
/// an orderly stop: [`SHUTDOWN_BOUND`](crate::SHUTDOWN_BOUND) for jobs, and the drain delay of a
/// server before that.
pub fn stop_with_stdin(limit: Duration) {
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut ignored = [0; 256];
        while matches!(stdin.read(&mut ignored), Ok(read) if read > 0) {}
        if kill_process(getpid(), Signal::TERM).is_ok() {
            thread::sleep(limit);
        }
        std::process::exit(1)
    });
}
