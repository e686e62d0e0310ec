//! What the cases have in common.

use std::sync::Arc;
use std::time::Duration;

use civic_testkit::redis::RedisServer;
use tempfile::TempDir;

use crate::delivery::Delivery;
use crate::name::LockName;
use crate::namespace::Namespace;
use crate::store::answer::{Acquired, Claimed, Missed, Ownership, Peeked};
use crate::store::command::{
    Abandon, Acquire, Claim, ClaimRequest, ClaimTerms, Complete, Miss, Peek, Register, Release,
    Renew, Unclaim,
};
use crate::store::holder::Holder;
use crate::store::host::HostStore;
use crate::store::redis::RedisStore;
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
        namespace: Namespace::default(),
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

/// Acquires the lock for one minute.
pub(super) async fn acquire(store: &Store, name: &LockName, who: &str) -> Acquired<u64> {
    acquire_for(store, name, who, ttl(60_000)).await
}

pub(super) async fn acquire_for(
    store: &Store,
    name: &LockName,
    who: &str,
    ttl: Ttl,
) -> Acquired<u64> {
    let acquire = Acquire {
        holder: holder(who),
        ttl,
        orphans: Vec::new(),
    };
    store.run(name, acquire).await.expect("acquire")
}

pub(super) async fn renew(store: &Store, name: &LockName, who: &str, ttl: Ttl) -> Ownership {
    let renew = Renew {
        holder: holder(who),
        ttl,
    };
    store.run(name, renew).await.expect("renew")
}

pub(super) async fn release(
    store: &Store,
    name: &LockName,
    who: &str,
    hold: Option<Duration>,
) -> Ownership {
    let release = Release {
        holder: holder(who),
        hold,
    };
    store.run(name, release).await.expect("release")
}

pub(super) async fn register(store: &Store, name: &LockName, done: u64) -> u64 {
    let register = Register {
        done,
        retain: GRACE,
        schedule: None,
        first: 0,
    };
    store.run(name, register).await.expect("register")
}

pub(super) async fn peek(store: &Store, name: &LockName) -> Peeked {
    store.run(name, Peek).await.expect("peek")
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
        let now = peek(store, &name).await.now;
        let done = now - 10_000;
        assert_eq!(register(store, &name, done).await, done);
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

    pub(super) async fn claim(&self, who: &str) -> Claimed<u64> {
        self.claim_as(who, self.request()).await
    }

    pub(super) async fn claim_as(&self, who: &str, request: ClaimRequest) -> Claimed<u64> {
        self.claim_with(who, request, &[]).await
    }

    /// Claims, and carries the values of this process along that no lease uses.
    pub(super) async fn claim_with(
        &self,
        who: &str,
        request: ClaimRequest,
        orphans: &[&str],
    ) -> Claimed<u64> {
        let claim = Claim {
            holder: holder(who),
            ttl: ttl(60_000),
            request,
            terms: ClaimTerms::default(),
            orphans: orphans.iter().map(|orphan| holder(orphan)).collect(),
        };
        self.store.run(&self.name, claim).await.expect("claim")
    }

    pub(super) async fn complete(&self, who: &str, tick: u64, hold: Option<Duration>) -> Ownership {
        let complete = Complete {
            holder: holder(who),
            tick,
            hold,
            generation: None,
            run: None,
        };
        self.store
            .run(&self.name, complete)
            .await
            .expect("complete")
    }

    pub(super) async fn abandon(&self, who: &str) -> Ownership {
        let abandon = Abandon {
            holder: holder(who),
        };
        self.store.run(&self.name, abandon).await.expect("abandon")
    }

    pub(super) async fn unclaim(&self, who: &str) -> Ownership {
        let unclaim = Unclaim {
            holder: holder(who),
        };
        self.store.run(&self.name, unclaim).await.expect("unclaim")
    }

    pub(super) async fn miss(&self, by: &str, from: u64, to: u64) -> Missed {
        let miss = Miss {
            by: holder(by),
            from,
            to,
            run: None,
        };
        self.store.run(&self.name, miss).await.expect("miss")
    }

    pub(super) async fn peek(&self) -> Peeked {
        peek(&self.store, &self.name).await
    }
}

#[track_caller]
pub(super) fn fence_of(acquired: &Acquired<u64>) -> u64 {
    match acquired {
        Acquired::Granted(fence) => *fence,
        Acquired::Busy { .. } => panic!("not acquired: {acquired:?}"),
    }
}

/// Tick, fence, attempt, and the watermark before.
#[track_caller]
pub(super) fn granted(claimed: &Claimed<u64>) -> (u64, u64, u32, u64) {
    match *claimed {
        Claimed::Granted {
            lease: fence,
            tick,
            attempt,
            done,
            ..
        } => (tick, fence, attempt, done),
        _ => panic!("not claimed: {claimed:?}"),
    }
}

/// Asks until someone else gets the lock: its time has passed.
pub(super) async fn until_free(store: &Store, name: &LockName, who: &str) -> u64 {
    loop {
        match acquire(store, name, who).await {
            Acquired::Granted(fence) => return fence,
            Acquired::Busy { .. } => tokio::task::yield_now().await,
        }
    }
}
