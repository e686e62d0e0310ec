//! What an operator sees and does, on both stores.

use std::time::Instant;

use civic_lock::{Acquisition, Admin, BreakOutcome, ErrorKind, Job, LockService, RunRequest, Tick};
use civic_testkit::redis::{RedisCluster, RedisServer};
use tokio::task::JoinSet;

use crate::support::lock::{MINUTE, acquired, busy, eventually};
use crate::support::store::{Location, locks_at};

/// The same cases on every store.
async fn on_each_store(case: impl AsyncFn(LockService)) {
    let server = RedisServer::start().await;
    case(locks_at(server.url())).await;
    let cluster = RedisCluster::start(3).await;
    case(locks_at(cluster.url())).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    case(Location::Host(folder.path().join("locks")).locks()).await;
}

async fn lock_names(admin: &Admin) -> Vec<String> {
    let locks = admin.locks().await.expect("the store answers");
    locks.iter().map(|lock| lock.name.to_string()).collect()
}

#[tokio::test]
async fn every_lock_that_is_held_is_listed_with_its_holder_and_no_other() {
    on_each_store(async |service| {
        let admin = service.admin();
        assert_eq!(lock_names(&admin).await, Vec::<String>::new());
        let mut guards = Vec::new();
        let long = "x/".repeat(200);
        for name in ["billing:1", "a", "with space", &long, "z*?"] {
            guards.push(acquired(service.try_acquire(name, MINUTE).await));
        }
        acquired(service.try_acquire("released", MINUTE).await)
            .release()
            .await;
        assert_eq!(
            lock_names(&admin).await,
            ["a", "billing:1", "with space", &long, "z*?"]
        );
        let lock = admin.lock("a").await.expect("the store answers");
        let lease = guards[1].lease();
        assert_eq!(lock.holder.as_deref(), Some(lease.holder()));
        assert_eq!(lock.fence, Some(lease.fence()));
        assert!(lock.ttl.is_some_and(|ttl| ttl <= MINUTE), "{lock:?}");
        let free = admin.lock("released").await.expect("the store answers");
        assert_eq!((free.holder, free.ttl), (None, None));
    })
    .await;
}

#[tokio::test]
async fn a_list_is_whole_although_other_locks_come_and_go_meanwhile() {
    on_each_store(async |service| {
        let mut held = Vec::new();
        for n in 0..20 {
            let name = format!("held-{n:02}");
            held.push(acquired(service.try_acquire(name, MINUTE).await));
        }
        let names: Vec<_> = held
            .iter()
            .map(|guard| guard.lease().name().to_string())
            .collect();
        let mut others = JoinSet::new();
        for n in 0..4 {
            let service = service.clone();
            others.spawn(async move {
                loop {
                    let guard = service.try_acquire(format!("other-{n}"), MINUTE).await;
                    acquired(guard).release().await;
                }
            });
        }
        for _ in 0..10 {
            let mut seen = lock_names(&service.admin()).await;
            seen.retain(|name| name.starts_with("held"));
            assert_eq!(seen, names);
        }
        others.shutdown().await;
    })
    .await;
}

#[tokio::test]
async fn a_lock_is_broken_only_for_the_holder_that_was_seen() {
    on_each_store(async |service| {
        let admin = service.admin();
        let guard = acquired(service.try_acquire("nightly", MINUTE).await);
        let (holder, fence) = (guard.lease().holder().to_owned(), guard.lease().fence());
        let other = admin.break_lock("nightly", "someone:else").await;
        assert_eq!(
            other.expect("the store answers"),
            BreakOutcome::OtherHolder {
                holder: holder.clone()
            }
        );
        busy(service.try_acquire("nightly", MINUTE).await);
        match admin
            .break_lock("nightly", &holder)
            .await
            .expect("an answer")
        {
            BreakOutcome::Broken { fence: burnt } => assert!(burnt > fence),
            not => panic!("{not:?}"),
        }
        let next = acquired(service.try_acquire("nightly", MINUTE).await);
        // The same order once more cannot hit the next holder.
        let again = admin
            .break_lock("nightly", &holder)
            .await
            .expect("an answer");
        assert!(
            matches!(again, BreakOutcome::OtherHolder { .. }),
            "{again:?}"
        );
        assert!(next.lease().fence() > fence);
        next.release().await;
        let free = admin.break_lock("nightly", &holder).await;
        assert_eq!(free.expect("an answer"), BreakOutcome::Free);
    })
    .await;
}

#[tokio::test]
async fn a_job_that_no_replica_has_registered_is_unknown_to_every_order() {
    on_each_store(async |service| {
        let admin = service.admin();
        // A lock is not a job.
        let _guard = acquired(service.try_acquire("nightly", MINUTE).await);
        assert_eq!(admin.jobs().await.expect("an answer"), []);
        let tick = Tick::from_millis(1);
        for error in [
            admin.job("nightly").await.expect_err("unknown"),
            admin.pause("nightly").await.expect_err("unknown"),
            admin.resume("nightly").await.expect_err("unknown"),
            admin.run_now("nightly", None).await.expect_err("unknown"),
            admin.reset("nightly", tick).await.expect_err("unknown"),
        ] {
            assert_eq!(error.kind(), ErrorKind::UnknownJob);
            assert!(error.to_string().contains("nightly"), "{error}");
        }
        assert_eq!(admin.history("nightly", 10).await.expect("an answer"), []);
    })
    .await;
}

#[tokio::test]
async fn a_job_is_listed_paused_asked_for_and_reset() {
    on_each_store(async |service| {
        let admin = service.admin();
        let stop = tokio_util::sync::CancellationToken::new();
        let job = Job::cron("nightly", "0 2 1 1 *").expect("a valid job");
        let scheduler = civic_lock::Scheduler::new(&service)
            .job(job, |_| async { Ok::<_, std::io::Error>(()) })
            .expect("a valid job");
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { scheduler.run(stop.cancelled_owned()).await }
        });
        eventually("it is registered", async || {
            admin.job("nightly").await.is_ok()
        })
        .await;
        let jobs = admin.jobs().await.expect("an answer");
        assert_eq!(jobs.len(), 1);
        assert_eq!(jobs[0].lock.name.as_str(), "nightly");
        let since = admin.pause("nightly").await.expect("an answer");
        assert_eq!(admin.pause("nightly").await.expect("an answer"), since);
        let paused = admin.job("nightly").await.expect("an answer").paused;
        assert_eq!(paused, Some(since));
        assert_eq!(
            admin.resume("nightly").await.expect("an answer"),
            Some(since)
        );
        assert_eq!(admin.resume("nightly").await.expect("an answer"), None);
        stop.cancel();
        let _ = running.await;
        let asked = Tick::from_millis(7);
        let request = admin.run_now("nightly", Some(asked)).await;
        assert_eq!(request.expect("an answer"), RunRequest::Due(asked));
        let request = admin.run_now("nightly", None).await;
        assert_eq!(request.expect("an answer"), RunRequest::AlreadyDue(asked));
        let before = admin.job("nightly").await.expect("an answer");
        assert_eq!(before.due, Some(asked));
        let reset = admin.reset("nightly", asked).await;
        assert_eq!(reset.expect("an answer"), before.done);
        let after = admin.job("nightly").await.expect("an answer");
        assert_eq!(
            (after.done, after.generation),
            (asked, before.generation + 1)
        );
    })
    .await;
}

#[tokio::test]
async fn a_namespace_keeps_two_deployments_in_one_store_apart() {
    let server = RedisServer::start().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path().join("locks");
    let mut guards = Vec::new();
    for builder in [
        LockService::builder().redis_url(server.url()),
        LockService::builder().host_folder(&folder),
    ] {
        let [plain, staging, other] = [None, Some("staging"), Some("st*ging")].map(|namespace| {
            let builder = builder.clone();
            let builder = match namespace {
                Some(namespace) => builder.namespace(namespace),
                None => builder,
            };
            builder.build().expect("valid settings")
        });
        guards.push(acquired(plain.try_acquire("nightly", MINUTE).await));
        let two = acquired(staging.try_acquire("nightly", MINUTE).await);
        guards.push(acquired(other.try_acquire("nightly", MINUTE).await));
        assert_eq!(two.lease().name().as_str(), "nightly");
        busy(staging.try_acquire("nightly", MINUTE).await);
        assert_eq!(lock_names(&staging.admin()).await, ["nightly"]);
        assert_eq!(lock_names(&other.admin()).await, ["nightly"]);
        guards.push(two);
    }
    let keys = server.command(&["EXISTS", "lock:staging:nightly"]).await;
    assert_eq!(keys.int(), 1);
    let refused = LockService::builder().host_folder(&folder).namespace("a:b");
    assert_eq!(
        refused.build().expect_err("a colon").kind(),
        ErrorKind::Config
    );
}

#[tokio::test]
async fn a_ping_says_whether_the_store_answers() {
    on_each_store(async |service| {
        let asked = Instant::now();
        let took = service.ping().await.expect("it answers");
        assert!(took <= asked.elapsed(), "{took:?}");
    })
    .await;
    let nowhere = locks_at("redis://127.0.0.1:1");
    assert_eq!(
        nowhere.ping().await.expect_err("no one listens").kind(),
        ErrorKind::Connection
    );
    assert!(matches!(
        nowhere.try_acquire("a", MINUTE).await,
        Acquisition::Unavailable(_)
    ));
}
