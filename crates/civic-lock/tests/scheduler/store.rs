//! The two stores, as places that replicas can share.

use std::path::PathBuf;

use civic_lock::LockService;
use civic_testkit::redis::RedisServer;

/// Where replicas meet.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Redis(String),
    Host(PathBuf),
}

impl Place {
    /// A service of this very process.
    pub(crate) fn locks(&self) -> LockService {
        let builder = LockService::builder();
        match self {
            Self::Redis(url) => builder.redis_url(url),
            Self::Host(folder) => builder.host_folder(folder),
        }
        .build()
        .expect("a service")
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
        Self::Host(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Redis(server) => Place::Redis(server.url()),
            Self::Host(folder) => Place::Host(folder.path().join("locks")),
        }
    }
}

/// Writes the test once and runs it on either store.
#[macro_export]
macro_rules! on_each_store {
    ($($name:ident)*) => {
        mod on_redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::store::Fixture::redis().await).await;
            })*
        }
        mod on_host {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::store::Fixture::host()).await;
            })*
        }
    };
}
