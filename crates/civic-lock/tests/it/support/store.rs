//! The two stores, which the replicas of a test share.

use std::path::PathBuf;
use std::time::Duration;

use civic_lock::{LockService, LockServiceBuilder};
use civic_testkit::redis::RedisServer;

/// A command timeout that no stall of a busy machine is as long as.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Where replicas find their store.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    Redis(String),
    Host(PathBuf),
}

impl Location {
    /// For a service with settings of its own.
    pub(crate) fn builder(&self) -> LockServiceBuilder {
        let builder = LockService::builder();
        match self {
            Self::Redis(url) => builder.redis_url(url),
            Self::Host(folder) => builder.host_folder(folder),
        }
    }

    /// A service of this process. It is patient: a busy machine does not make it time out.
    pub(crate) fn locks(&self) -> LockService {
        self.builder()
            .command_timeout(PATIENCE)
            .build()
            .expect("valid settings")
    }
}

/// A store that lasts as long as the test.
pub(crate) enum Fixture {
    Redis(RedisServer),
    Host(tempfile::TempDir),
}

impl Fixture {
    pub(crate) async fn redis() -> Self {
        Self::Redis(RedisServer::start().await)
    }

    pub(crate) fn host() -> Self {
        Self::Host(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn location(&self) -> Location {
        match self {
            Self::Redis(server) => Location::Redis(server.url()),
            Self::Host(folder) => Location::Host(folder.path().join("locks")),
        }
    }

    /// Another replica: it shares nothing but the store.
    pub(crate) fn replica(&self) -> LockService {
        self.location().locks()
    }
}

/// A patient service whose store is at this URL.
pub(crate) fn locks_at(url: impl Into<String>) -> LockService {
    Location::Redis(url.into()).locks()
}

/// Runs each case on both stores.
macro_rules! on_each_store {
    ($($case:ident),* $(,)?) => {
        mod on_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($crate::support::store::Fixture::redis().await).await;
            })*
        }

        mod on_the_host {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case($crate::support::store::Fixture::host()).await;
            })*
        }
    };
}
pub(crate) use on_each_store;
