//! What the cases have in common.

use std::sync::Arc;
use std::time::Duration;

use civic_testkit::redis::RedisServer;
use tempfile::TempDir;

use crate::delivery::Delivery;
use crate::name::LockName;
use crate::store::answer::{Acquired, Claimed, Completed, Missed, Peek, Released};
use crate::store::holder::Holder;
use crate::store::host::HostStore;
use crate::store::redis::RedisStore;
use crate::store::request::ClaimRequest;
use crate::store::settings::Settings;
use crate::store::store::Store;
use crate::timing::Ttl;

pub(super) const GRACE: Duration = Duration::from_secs(3600);
pub(super) const SKEW: Duration = Duration::from_secs(5);

pub(super) fn settings() -> Settings {
    Settings {
        // A busy machine is not what these cases are about.
        command_timeout: Duration::from_secs(10),
        replica_acks: 0,
    }
}

pub(super) fn in_redis(server: &RedisServer) -> Store {
    let store = RedisStore::new(&server.url(), settings());
    Store::Redis(Arc::new(store.expect("a valid URL")))
}

pub(super) fn on_host(folder: &TempDir) -> Store {
    let store = HostStore::open(Some(folder.path().join("locks")), settings());
    Store::Host(Arc::new(store.expect("a private folder")))
}

pub(super) fn ttl(millis: u64) -> Ttl {
    Ttl::new(Duration::from_millis(millis)).expect("a valid ttl")
}

pub(super) fn holder(value: &str) -> Holder {
    Holder::new(value)
}

/// A job under test: its lock, and a tick that is due.
pub(super) struct Case {
    pub(super) store: Store,
    pub(super) name: LockName,
    /// A registered watermark, and a tick after it that is due.
    pub(super) done: u64,
    pub(super) tick: u64,
}

impl Case {
    /// A job with a watermark 10 s in the past.
    pub(super) async fn registered(store: &Store, name: &str) -> Self {
        let name = LockName::new(name).expect("a valid name");
        let now = store.peek(&name).await.expect("peek").now;
        let done = now - 10_000;
        let registered = store.register(&name, done, GRACE).await;
        assert_eq!(registered.expect("register"), done);
        Self {
            store: store.clone(),
            name,
            done,
            tick: now - 1_000,
        }
    }

    pub(super) fn request(&self) -> ClaimRequest {
        ClaimRequest {
            tick: self.tick,
            grace: GRACE,
            delivery: Delivery::AtLeastOnce,
            max_skew: SKEW,
            retain: GRACE,
        }
    }

    pub(super) async fn claim(&self, who: &str) -> Claimed {
        self.claim_as(who, self.request()).await
    }

    pub(super) async fn claim_as(&self, who: &str, request: ClaimRequest) -> Claimed {
        self.store
            .claim(&self.name, &holder(who), ttl(60_000), request, &[])
            .await
            .expect("claim")
    }

    pub(super) async fn complete(&self, who: &str, tick: u64, hold: Option<Duration>) -> Completed {
        self.store
            .complete(&self.name, &holder(who), tick, hold)
            .await
            .expect("complete")
    }

    pub(super) async fn abandon(&self, who: &str) -> Released {
        self.store
            .abandon(&self.name, &holder(who))
            .await
            .expect("abandon")
    }

    pub(super) async fn miss(&self, by: &str, from: u64, to: u64) -> Missed {
        self.store
            .miss(&self.name, &holder(by), from, to)
            .await
            .expect("miss")
    }

    pub(super) async fn peek(&self) -> Peek {
        self.store.peek(&self.name).await.expect("peek")
    }
}

#[track_caller]
pub(super) fn fence_of(acquired: &Acquired) -> u64 {
    match acquired {
        Acquired::Acquired { fence } => *fence,
        Acquired::Busy { .. } => panic!("not acquired: {acquired:?}"),
    }
}

#[track_caller]
pub(super) fn claimed(claimed: &Claimed) -> (u64, u64, u32, u64) {
    match *claimed {
        Claimed::Claimed {
            tick,
            fence,
            attempt,
            done,
        } => (tick, fence, attempt, done),
        _ => panic!("not claimed: {claimed:?}"),
    }
}

/// Asks until somebody else gets the lock: its time has passed.
pub(super) async fn until_free(store: &Store, name: &LockName, who: &Holder) -> u64 {
    loop {
        match store.acquire(name, who, ttl(60_000), &[]).await {
            Ok(Acquired::Acquired { fence }) => return fence,
            Ok(Acquired::Busy { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}
