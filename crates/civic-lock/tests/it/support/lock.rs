//! Helpers of the tests of locks.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use civic_lock::{Acquisition, ErrorKind, Lease, LeaseGuard, LockService, LostReason, Outcome};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

#[track_caller]
pub(crate) fn acquired(acquisition: Acquisition) -> LeaseGuard {
    match acquisition {
        Acquisition::Acquired(guard) => guard,
        other => panic!("not acquired: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn busy(acquisition: Acquisition) -> (String, Option<Duration>) {
    match acquisition {
        Acquisition::Busy { holder, ttl } => (holder, ttl),
        other => panic!("not busy: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn unavailable(acquisition: Acquisition) -> ErrorKind {
    match acquisition {
        Acquisition::Unavailable(error) => error.kind(),
        other => panic!("not unavailable: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn invalid(acquisition: Acquisition) -> ErrorKind {
    match acquisition {
        Acquisition::Invalid(error) => error.kind(),
        other => panic!("not invalid: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn ran<T: Debug>(outcome: Outcome<T>) -> (T, civic_lock::LeaseEnd) {
    match outcome {
        Outcome::Ran { value, lease } => (value, lease),
        other => panic!("it did not run: {other:?}"),
    }
}

/// Asks until it is true.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Acquires the lock as soon as it is free, and returns how long that took.
pub(crate) async fn until_acquired(service: &LockService, name: &str) -> (LeaseGuard, Duration) {
    let began = Instant::now();
    let mut guard = None;
    eventually("the lock is free", async || {
        if let Acquisition::Acquired(acquired) = service.try_acquire(name, MINUTE).await {
            guard = Some(acquired);
        }
        guard.is_some()
    })
    .await;
    (guard.expect("it was acquired"), began.elapsed())
}

/// Returns why the lease was lost. A lease that is never lost fails the test.
pub(crate) async fn lost(lease: &Lease) -> LostReason {
    tokio::time::timeout(Duration::from_secs(60), lease.lost())
        .await
        .expect("the holder is told")
}

/// Sends one line on a connection that stays, and reads one.
pub(crate) async fn say(server: &mut TcpStream, line: &str) -> String {
    // One that is full answers and closes before it has read anything.
    let _ = server.write_all(format!("{line}\r\n").as_bytes()).await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n") {
        answer.push(server.read_u8().await.expect("an answer"));
    }
    String::from_utf8_lossy(answer.trim_ascii()).into_owned()
}
