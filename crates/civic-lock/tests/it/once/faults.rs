//! What becomes of an execution when the server or the network fails.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use civic_lock::{
    Delivery, ErrorKind, LockEvent, LockService, OnUnavailable, OnceBegun, OnceOutcome,
};
use civic_testkit::proxy::{Fault, FaultProxy};
use civic_testkit::redis::{RedisCluster, RedisServer, Reply};
use rustix::process::Signal;
use tokio::sync::Notify;

use crate::support::holder::HolderProcess;
use crate::support::lock::{MINUTE, eventually};
use crate::support::once::{done, in_doubt, not_begun, started};
use crate::support::store::{Fixture, locks_at};

/// Long enough for a busy machine to carry a command out.
const TIMEOUT: Duration = Duration::from_secs(2);

struct Broken {
    server: RedisServer,
    proxy: FaultProxy,
    service: LockService,
}

impl Broken {
    /// Connected, its clock read, the scripts known: what follows is one command.
    async fn start() -> Self {
        let server = RedisServer::start().await;
        let proxy = FaultProxy::start(server.addr()).await;
        let service = LockService::builder()
            .redis_url(proxy.redis_url())
            .command_timeout(TIMEOUT)
            .on_unavailable(OnUnavailable::FailOpen)
            .build()
            .expect("valid settings");
        let run = started(service.once("warm").begin().await);
        run.complete(b"").await.expect("it is recorded");
        let run = started(service.once("warm-2").begin().await);
        run.forget().await.expect("it is forgotten");
        Self {
            server,
            proxy,
            service,
        }
    }

    /// Past the proxy.
    fn direct(&self) -> LockService {
        locks_at(self.server.url())
    }

    async fn has_record(&self, key: &str) -> bool {
        let key = format!("{{lock:once:{key}}}:once");
        self.server.command(&["EXISTS", &key]).await == Reply::Int(1)
    }
}

#[tokio::test]
async fn without_its_store_nothing_is_begun_even_by_a_service_that_fails_open() {
    let broken = Broken::start().await;
    for fault in [Fault::BlackHole, Fault::Reset, Fault::HalfOpen] {
        broken.proxy.set(fault);
        let outcome = broken
            .service
            .once("payment")
            .delivery(Delivery::AtMostOnce)
            .run(async |_| -> Result<(), Infallible> { unreachable!("it has no lock") })
            .await;
        assert!(
            matches!(outcome, OnceOutcome::Unavailable(_)),
            "{fault:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_begin_whose_answer_was_lost_is_granted_again_and_never_in_doubt() {
    for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
        let broken = Broken::start().await;
        let request = || broken.service.once("payment").delivery(delivery);
        broken.proxy.set(Fault::DropReply);
        let lost = not_begun(request().begin().await);
        assert!(
            matches!(lost, ErrorKind::Timeout | ErrorKind::Connection),
            "{lost:?}"
        );
        assert!(broken.has_record("payment").await, "the store has begun it");
        broken.proxy.set(Fault::Pass);
        let mut run = None;
        eventually("it is granted", async || {
            run = match request().begin().await {
                OnceBegun::Started(run) => Some(run),
                // It may just be taken back.
                OnceBegun::Unavailable(_) | OnceBegun::Running { .. } => None,
                other => panic!("{other:?}"),
            };
            run.is_some()
        })
        .await;
        assert_eq!(run.expect("it was granted").attempt(), 1);
    }
}

#[tokio::test]
async fn a_begin_whose_answer_was_lost_is_taken_back_for_the_others() {
    let broken = Broken::start().await;
    broken.proxy.set(Fault::DropReply);
    let request = broken
        .service
        .once("payment")
        .delivery(Delivery::AtMostOnce);
    not_begun(request.begin().await);
    broken.proxy.set(Fault::Pass);
    eventually("it is taken back", async || {
        !broken.has_record("payment").await
    })
    .await;
    let run = started(broken.direct().once("payment").begin().await);
    assert_eq!(run.attempt(), 1);
}

#[tokio::test]
async fn a_result_whose_confirmation_was_lost_is_recorded_in_the_background() {
    let broken = Broken::start().await;
    let request = broken
        .service
        .once("payment")
        .delivery(Delivery::AtMostOnce);
    let run = started(request.begin().await);
    broken.proxy.set(Fault::DropReply);
    let error = run.complete(b"paid").await.expect_err("no confirmation");
    assert!(error.error().is_ambiguous(), "{error:?}");
    broken.proxy.set(Fault::Pass);
    let direct = broken.direct();
    eventually("it is recorded", async || {
        matches!(direct.once("payment").begin().await, OnceBegun::Done(_))
    })
    .await;
    let record = done(direct.once("payment").begin().await);
    assert_eq!(record.result(), b"paid");
}

#[tokio::test]
async fn what_the_store_did_not_hear_of_is_repeated_for_longer_than_the_ttl() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let (ttl, timeout) = (Duration::from_secs(1), Duration::from_millis(500));
    let granted = Arc::new(Notify::new());
    let told = granted.clone();
    let service = LockService::builder()
        .redis_url(proxy.redis_url())
        .command_timeout(timeout)
        .on_event(move |event| {
            if let LockEvent::Acquired { name, .. } = event
                && name.as_str() == "once:gone"
            {
                told.notify_one();
            }
        })
        .build()
        .expect("valid settings");
    let request = |key: &str| {
        let request = service.once(key).delivery(Delivery::AtMostOnce);
        request.ttl(ttl)
    };
    let begun = async |key: &str| {
        let mut run = None;
        eventually("it is begun", async || {
            run = match request(key).begin().await {
                OnceBegun::Started(run) => Some(run),
                _ => None,
            };
            run.is_some()
        })
        .await;
        run.expect("it was begun")
    };
    let (paid, failed) = (begun("paid").await, begun("failed").await);
    // Granted, and its caller does not look at the answer.
    let gone = loop {
        let mut gone = Box::pin(request("gone").begin());
        poll_fn(|context| {
            assert!(gone.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        if tokio::time::timeout(timeout, granted.notified())
            .await
            .is_ok()
        {
            break gone;
        }
    };
    proxy.set(Fault::BlackHole);
    drop(gone);
    paid.complete(b"paid").await.expect_err("no confirmation");
    failed.forget().await.expect_err("no confirmation");
    // What is given up on after the ttl and a command timeout is given up by now, even if it waits
    // for two seconds before it is sent again.
    tokio::time::sleep(ttl + timeout * 2 + Duration::from_secs(3)).await;
    proxy.set(Fault::Pass);
    let direct = locks_at(server.url());
    eventually("the result is recorded", async || {
        matches!(direct.once("paid").begin().await, OnceBegun::Done(_))
    })
    .await;
    for (key, attempt) in [("failed", 2), ("gone", 1)] {
        eventually("it may be begun", async || {
            match direct.once(key).begin().await {
                OnceBegun::Started(run) => {
                    assert_eq!(run.attempt(), attempt, "{key}");
                    true
                }
                _ => false,
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_command_that_the_server_refuses_leaves_no_execution_begun_and_no_record_without_an_end()
{
    let server = RedisServer::start().await;
    let user = async |rules: &str| {
        let words = format!("ACL SETUSER app {rules}");
        let words: Vec<&str> = words.split(' ').collect();
        assert_eq!(server.command(&words).await.text(), "OK", "{rules}");
    };
    user("on >pw allkeys allchannels +@all").await;
    let service = locks_at(format!("redis://app:pw@{}", server.addr()));
    for refused in ["get", "hmget", "set", "hset", "pexpireat"] {
        let request = || service.once(refused).delivery(Delivery::AtMostOnce);
        user(&format!("-{refused}")).await;
        assert_eq!(not_begun(request().begin().await), ErrorKind::Refused);
        let key = format!("lock:once:{refused}");
        for key in [format!("{{{key}}}:once"), key] {
            assert_eq!(
                server.command(&["EXISTS", &key]).await,
                Reply::Int(0),
                "{key}"
            );
        }
        user(&format!("+{refused}")).await;
        let run = started(request().begin().await);
        assert_eq!(run.attempt(), 1);
        run.forget().await.expect("it is forgotten");
    }
    for refused in ["hmget", "hset", "pexpireat", "del"] {
        let key = format!("complete-{refused}");
        let run = started(service.once(key.as_str()).begin().await);
        user(&format!("-{refused}")).await;
        let error = run.complete(b"paid").await.expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::Refused, "{refused}");
        let left = server
            .command(&["PTTL", &format!("{{lock:once:{key}}}:once")])
            .await;
        assert!(matches!(left, Reply::Int(1..)), "{refused}: {left:?}");
        user(&format!("+{refused}")).await;
        // Repeated in the background, to its end.
        eventually("it is recorded and its key is free", async || {
            server
                .command(&["EXISTS", &format!("lock:once:{key}")])
                .await
                == Reply::Int(0)
        })
        .await;
        let record = done(service.once(key.as_str()).begin().await);
        assert_eq!(record.result(), b"paid");
    }
}

#[tokio::test]
async fn what_a_server_that_syncs_has_begun_is_in_doubt_when_both_have_crashed() {
    let arguments = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut store = Fixture::Redis(RedisServer::start_with(&arguments).await);
    let ttl = Duration::from_secs(4);
    let (holder, _) = HolderProcess::executing(&store, ttl, Delivery::AtMostOnce).await;
    let Fixture::Redis(server) = &mut store else {
        unreachable!("it was just made")
    };
    server.kill();
    holder.signal(Signal::KILL);
    server.restart().await;
    let other = store.replica();
    let mut begun = None;
    eventually("its key has expired", async || {
        begun = match other.once("nightly").begin().await {
            OnceBegun::Unavailable(_) | OnceBegun::Running { .. } => None,
            answer => Some(answer),
        };
        begun.is_some()
    })
    .await;
    assert_eq!(in_doubt(begun.expect("it answers")).1, 1);
}

#[tokio::test]
async fn executions_work_in_a_cluster_where_all_their_keys_are_in_one_slot() {
    let cluster = RedisCluster::start(3).await;
    let service = locks_at(cluster.url());
    for key in ["a", "b", "c", "d", "e", "f"] {
        let run = started(service.once(key).begin().await);
        run.complete(key.as_bytes()).await.expect("it is recorded");
        assert_eq!(
            done(service.once(key).begin().await).result(),
            key.as_bytes()
        );
    }
    let admin = service.admin();
    let keys = admin.once_keys().await.expect("an answer");
    let all = admin.once_records(&keys).await;
    assert_eq!(all.expect("an answer").len(), 6);
}

#[tokio::test]
async fn a_begin_that_no_replica_acknowledges_is_taken_back_and_a_result_is_repeated_until_one_does()
 {
    let primary = RedisServer::start().await;
    let replica = RedisServer::replica_of(&primary).await;
    let service = LockService::builder()
        .redis_url(primary.url())
        .replica_acks(1)
        .command_timeout(TIMEOUT)
        .build()
        .expect("valid settings");
    let request = || service.once("payment").delivery(Delivery::AtMostOnce);
    replica.stop();
    assert_eq!(not_begun(request().begin().await), ErrorKind::NotReplicated);
    eventually("it is taken back", async || {
        let record = primary
            .command(&["EXISTS", "{lock:once:payment}:once"])
            .await;
        record == Reply::Int(0)
    })
    .await;
    replica.cont();
    let mut run = None;
    eventually("the replica acknowledges", async || {
        run = match request().begin().await {
            OnceBegun::Started(run) => Some(run),
            _ => None,
        };
        run.is_some()
    })
    .await;
    replica.stop();
    let completed = run.expect("it was begun").complete(b"paid").await;
    let error = completed.expect_err("no acknowledgement");
    assert_eq!(error.kind(), ErrorKind::NotReplicated);
    // The next command is the first of its connection, and finds the result recorded. It writes all
    // the same: there are servers whose WAIT waits only for what its own connection has written.
    primary.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    let before = written(&primary).await;
    eventually("it is written again", async || {
        written(&primary).await > before
    })
    .await;
    assert_eq!(service.close(TIMEOUT * 2).await, 1);
    replica.cont();
    assert_eq!(service.close(MINUTE).await, 0);
    eventually("it is recorded", async || {
        matches!(request().begin().await, OnceBegun::Done(_))
    })
    .await;
}

/// How often the end of a record was written.
async fn written(server: &RedisServer) -> u64 {
    let info = server.command(&["INFO", "commandstats"]).await;
    let calls = info.text().lines().find_map(|line| {
        let stats = line.strip_prefix("cmdstat_pexpireat:calls=")?;
        stats.split(',').next()?.parse().ok()
    });
    calls.expect("a record was written before")
}
