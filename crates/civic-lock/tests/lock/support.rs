//! What the tests share.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use civic_lock::{Acquisition, ErrorKind, Lease, LeaseGuard, LockService, LostReason, Outcome};
use civic_testkit::redis::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// A store of its own, and services that share it as replicas do.
pub(crate) enum Place {
    Redis(RedisServer),
    Host(tempfile::TempDir),
}

impl Place {
    pub(crate) async fn redis() -> Self {
        Self::Redis(RedisServer::start().await)
    }

    #[allow(clippy::unused_async)] // the same shape as `redis`, for the macro
    pub(crate) async fn host() -> Self {
        Self::Host(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Another replica: nothing in common but the store.
    pub(crate) fn replica(&self) -> LockService {
        let builder = LockService::builder().command_timeout(Duration::from_secs(5));
        match self {
            Self::Redis(server) => builder.redis_url(server.url()),
            Self::Host(folder) => builder.host_folder(folder.path().join("locks")),
        }
        .build()
        .expect("valid settings")
    }
}

/// Runs each case on both stores.
macro_rules! on_both_stores {
    ($($case:ident),* $(,)?) => {
        mod on_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($crate::support::Place::redis().await).await;
            })*
        }

        mod on_the_host {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($crate::support::Place::host().await).await;
            })*
        }
    };
}
pub(crate) use on_both_stores;

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
pub(crate) fn ran<T: Debug>(outcome: Outcome<T>) -> (T, civic_lock::LeaseEnd) {
    match outcome {
        Outcome::Ran { value, lease } => (value, lease),
        other => panic!("it did not run: {other:?}"),
    }
}

/// Asks until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Takes the lock as soon as it is free, and says how long that took.
pub(crate) async fn until_acquired(service: &LockService, name: &str) -> (LeaseGuard, Duration) {
    let began = Instant::now();
    let mut guard = None;
    eventually("the lock is free", async || {
        if let Acquisition::Acquired(taken) = service.try_acquire(name, MINUTE).await {
            guard = Some(taken);
        }
        guard.is_some()
    })
    .await;
    (guard.expect("it was acquired"), began.elapsed())
}

/// Why the lease was lost; a lease that never is fails the test.
pub(crate) async fn lost(lease: &Lease) -> LostReason {
    tokio::time::timeout(Duration::from_secs(20), lease.lost())
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
