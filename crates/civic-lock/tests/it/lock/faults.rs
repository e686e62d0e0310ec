//! What becomes of a lock when the server or the network fails.
//!
//! The server is a real one, and the test speaks to it past the proxy: so it sees what was done,
//! and not only what was answered.

use std::time::{Duration, Instant};

use civic_lock::{
    Acquisition, ErrorKind, LeaseEnd, LockService, LostReason, OnUnavailable, Outcome,
};
use civic_testkit::proxy::{Fault, FaultProxy};
use civic_testkit::redis::{RedisServer, Reply};

use crate::support::lock::{
    MINUTE, acquired, busy, eventually, invalid, lost, ran, unavailable, until_acquired,
};
use crate::support::store::PATIENCE;

/// Long enough for a busy machine to carry a command out.
const TIMEOUT: Duration = Duration::from_secs(1);
/// What a busy machine may add to a timeout.
const SLACK: Duration = Duration::from_secs(20);

/// Faults that keep commands from being answered.
const SILENT: [Fault; 4] = [
    Fault::BlackHole,
    Fault::Reset,
    Fault::HalfOpen,
    Fault::DropReply,
];

struct Broken {
    server: RedisServer,
    proxy: FaultProxy,
}

impl Broken {
    async fn start() -> Self {
        let server = RedisServer::start().await;
        let proxy = FaultProxy::start(server.addr()).await;
        Self { server, proxy }
    }

    fn service(&self) -> LockService {
        self.service_that(OnUnavailable::FailClosed, TIMEOUT)
    }

    fn service_that(&self, policy: OnUnavailable, timeout: Duration) -> LockService {
        LockService::builder()
            .redis_url(self.proxy.redis_url())
            .command_timeout(timeout)
            .on_unavailable(policy)
            .build()
            .expect("valid settings")
    }

    /// Connected, its clock read, its scripts known: what follows is one command.
    async fn warm(&self) -> LockService {
        let service = self.service();
        until_acquired(&service, "warm").await.0.release().await;
        service
    }

    async fn holder(&self, name: &str) -> String {
        let key = format!("lock:{name}");
        self.server.command(&["GET", &key]).await.text().to_owned()
    }

    /// What is left of the key, in milliseconds; negative when it is gone.
    async fn left(&self, name: &str) -> i64 {
        let key = format!("lock:{name}");
        self.server.command(&["PTTL", &key]).await.int()
    }
}

#[tokio::test]
async fn every_call_returns_within_its_timeout_under_every_fault_and_nothing_runs() {
    let broken = Broken::start().await;
    let warm = broken.warm().await;
    for fault in SILENT {
        broken.proxy.set(fault);
        for (which, service) in [("warm", warm.clone()), ("new", broken.service())] {
            let began = Instant::now();
            let outcome = service
                .with_lock("nightly", MINUTE, async |_| unreachable!())
                .await;
            let took = began.elapsed();
            assert!(
                matches!(outcome, Outcome::Unavailable(_)),
                "{fault:?}, {which}: {outcome:?}"
            );
            assert!(took < TIMEOUT + SLACK, "{fault:?}, {which}: {took:?}");
        }
        broken.proxy.set(Fault::Pass);
        // What the fault has left behind is no obstacle.
        let (guard, waited) = until_acquired(&warm, "nightly").await;
        assert!(waited < MINUTE / 4, "{fault:?}: {waited:?}");
        guard.release().await;
    }
    let injected = broken.proxy.injected();
    assert!(injected.replies_lost > 0 && injected.resets > 0 && injected.half_opened > 0);
}

#[tokio::test]
async fn a_stopped_server_is_unavailable_within_the_timeout() {
    let broken = Broken::start().await;
    let service = broken.warm().await;
    broken.server.stop();
    for _ in 0..3 {
        let began = Instant::now();
        unavailable(service.try_acquire("nightly", MINUTE).await);
        assert!(began.elapsed() < TIMEOUT + SLACK, "{:?}", began.elapsed());
    }
    broken.server.cont();
    drop(until_acquired(&service, "nightly").await);
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_until_it_is_back() {
    let mut server = RedisServer::start().await;
    let service = LockService::builder()
        .redis_url(server.url())
        .command_timeout(TIMEOUT)
        .build()
        .expect("valid settings");
    until_acquired(&service, "nightly").await.0.release().await;
    server.kill();
    for _ in 0..5 {
        let began = Instant::now();
        unavailable(service.try_acquire("nightly", MINUTE).await);
        assert!(began.elapsed() < TIMEOUT + SLACK, "{:?}", began.elapsed());
    }
    server.restart().await;
    drop(until_acquired(&service, "nightly").await);
}

#[tokio::test]
async fn a_slow_server_is_waited_for() {
    let broken = Broken::start().await;
    let service = broken.service_that(OnUnavailable::FailClosed, MINUTE);
    broken.proxy.set(Fault::Delay(Duration::from_millis(200)));
    for _ in 0..5 {
        let guard = acquired(service.try_acquire("nightly", MINUTE).await);
        assert_eq!(guard.lease().check(), Ok(()));
        assert_eq!(guard.release().await, LeaseEnd::Kept);
    }
    assert!(broken.proxy.injected().delayed >= 10);
}

#[tokio::test]
async fn failing_open_runs_everything_and_marks_each_run() {
    let broken = Broken::start().await;
    let service = broken.service_that(OnUnavailable::FailOpen, PATIENCE);
    let outcome = service
        .with_lock("nightly", MINUTE, async |lease| lease.is_protected())
        .await;
    assert_eq!(ran(outcome), (true, LeaseEnd::Kept), "with a server");

    broken.proxy.set(Fault::Reset);
    let outcome = service
        .with_lock("nightly", MINUTE, async |lease| {
            assert_eq!(lease.fence(), 0, "which every fenced resource refuses");
            assert_eq!(lease.check(), Ok(()));
            lease.is_protected()
        })
        .await;
    assert_eq!(ran(outcome), (false, LeaseEnd::Unprotected));
    let guard = acquired(service.try_acquire("nightly", MINUTE).await);
    assert_eq!(guard.release().await, LeaseEnd::Unprotected);

    // A wrong setting is not an outage, and neither is another holder.
    assert_eq!(
        invalid(service.try_acquire("a{b", MINUTE).await),
        ErrorKind::Name
    );
    broken.proxy.set(Fault::Pass);
    broken
        .server
        .command(&["SET", "lock:nightly", "another"])
        .await;
    eventually("the server is back", async || {
        matches!(
            service.try_acquire("nightly", MINUTE).await,
            Acquisition::Busy { .. }
        )
    })
    .await;
}

#[tokio::test]
async fn a_lost_reply_to_acquire_never_blocks_its_own_process() {
    let broken = Broken::start().await;
    let service = broken.warm().await;
    broken.proxy.set(Fault::DropReply);
    unavailable(service.try_acquire("nightly", MINUTE).await);
    assert_ne!(broken.holder("nightly").await, "", "it was carried out");
    // Nor while its undo cannot get through: each further attempt knows the value as its own.
    unavailable(service.try_acquire("nightly", MINUTE).await);
    broken.proxy.set(Fault::Pass);
    let (guard, waited) = until_acquired(&service, "nightly").await;
    assert!(waited < MINUTE / 2, "not for the ttl: {waited:?}");
    assert_eq!(broken.holder("nightly").await, guard.lease().holder());
    // And the undo of the lost ones does not touch it.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(broken.holder("nightly").await, guard.lease().holder());
    }
    assert_eq!(guard.release().await, LeaseEnd::Kept);
}

#[tokio::test]
async fn a_lost_reply_to_acquire_is_undone_for_everybody_else() {
    let broken = Broken::start().await;
    let service = broken.warm().await;
    broken.proxy.set(Fault::DropReply);
    unavailable(service.try_acquire("nightly", MINUTE).await);
    let value = broken.holder("nightly").await;
    assert_ne!(value, "", "it was carried out");
    // While its undo is under way, the key gets another holder, which is left alone.
    broken.proxy.set(Fault::Pass);
    eventually("it is undone", async || {
        broken.holder("nightly").await != value
    })
    .await;
    assert_eq!(broken.holder("nightly").await, "");
}

#[tokio::test]
async fn closing_waits_for_the_undo_of_an_acquire_whose_answer_was_lost_but_not_for_ever() {
    let broken = Broken::start().await;
    let service = broken.warm().await;
    broken.proxy.set(Fault::DropReply);
    unavailable(service.try_acquire("nightly", MINUTE).await);
    assert_ne!(broken.holder("nightly").await, "", "it was carried out");
    // It cannot be confirmed that it is undone.
    assert_eq!(service.close(Duration::ZERO).await, 1);
    broken.proxy.set(Fault::Pass);
    assert_eq!(service.close(MINUTE).await, 0);
    assert_eq!(broken.holder("nightly").await, "");
}

#[tokio::test]
async fn the_undo_of_a_lost_acquire_never_frees_the_lock_of_another_holder() {
    let broken = Broken::start().await;
    let service = broken.warm().await;
    broken.proxy.set(Fault::DropReply);
    unavailable(service.try_acquire("nightly", MINUTE).await);
    broken.proxy.set(Fault::BlackHole);
    broken
        .server
        .command(&["SET", "lock:nightly", "another"])
        .await;
    broken.proxy.set(Fault::Pass);
    // The connection is back, and the undo has had its turn.
    drop(until_acquired(&service, "other").await);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(broken.holder("nightly").await, "another");
    }
    let (holder, _) = busy(service.try_acquire("nightly", MINUTE).await);
    assert_eq!(holder, "another");
}

#[tokio::test]
async fn a_lost_reply_to_a_renewal_does_not_lose_the_lease() {
    let broken = Broken::start().await;
    let service = broken.warm().await;
    let ttl = Duration::from_secs(6);
    let guard = acquired(service.try_acquire("nightly", ttl).await);
    broken.proxy.set(Fault::DropReply);
    eventually("a renewal was not answered", async || {
        broken.proxy.injected().replies_lost > 0
    })
    .await;
    broken.proxy.set(Fault::Pass);
    let until = Instant::now() + ttl + ttl / 2;
    while Instant::now() < until {
        assert_eq!(guard.lease().check(), Ok(()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(guard.release().await, LeaseEnd::Kept);
}

#[tokio::test]
async fn a_lost_reply_to_release_is_a_release_and_never_frees_the_lock_of_another_holder() {
    let broken = Broken::start().await;
    let service = broken.warm().await;
    let guard = acquired(service.try_acquire("nightly", MINUTE).await);
    broken.proxy.set(Fault::DropReply);
    let began = Instant::now();
    assert_eq!(guard.release().await, LeaseEnd::Kept);
    assert!(began.elapsed() < TIMEOUT + SLACK);
    assert_eq!(broken.holder("nightly").await, "", "it was carried out");
    // Another holder takes it while the release is being repeated.
    broken
        .server
        .command(&["SET", "lock:nightly", "another"])
        .await;
    broken.proxy.set(Fault::Pass);
    drop(until_acquired(&service, "other").await);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(broken.holder("nightly").await, "another");
    }
}

#[tokio::test]
async fn a_release_that_never_arrived_is_repeated() {
    let broken = Broken::start().await;
    let service = broken.warm().await;
    for fault in [Fault::BlackHole, Fault::Reset, Fault::HalfOpen] {
        let (guard, _) = until_acquired(&service, "nightly").await;
        broken.proxy.set(fault);
        let began = Instant::now();
        assert_eq!(guard.release().await, LeaseEnd::Kept, "{fault:?}");
        assert!(began.elapsed() < TIMEOUT + SLACK, "{fault:?}");
        assert_ne!(broken.holder("nightly").await, "", "{fault:?}");
        broken.proxy.set(Fault::Pass);
        eventually("it is released", async || {
            broken.holder("nightly").await.is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn an_error_of_the_work_is_not_masked_by_one_of_the_release() {
    let broken = Broken::start().await;
    let service = broken.warm().await;
    let outcome = service
        .with_lock("nightly", MINUTE, async |_| {
            broken.proxy.set(Fault::Reset);
            Err::<(), _>("no such table")
        })
        .await;
    assert_eq!(ran(outcome), (Err("no such table"), LeaseEnd::Kept));
}

#[tokio::test]
async fn a_holder_is_told_before_the_key_expires_on_the_server() {
    // It is told more than a second before.
    let ttl = Duration::from_secs(10);
    let is_told = async |fault: Fault| {
        let broken = Broken::start().await;
        let service = broken.warm().await;
        let guard = acquired(service.try_acquire("nightly", ttl).await);
        let lease = guard.lease().clone();
        broken.proxy.set(fault);
        assert_eq!(lost(&lease).await, LostReason::Expired, "{fault:?}");
        let left = broken.left("nightly").await;
        assert!(left > 0, "{fault:?}: the key is there, for {left} ms");
        assert!(lease.check().is_err());
        drop(guard);
    };
    let [first, second, third, fourth] = SILENT;
    tokio::join!(
        is_told(first),
        is_told(second),
        is_told(third),
        is_told(fourth)
    );
}

#[tokio::test]
async fn work_is_dropped_when_the_server_is_away_for_too_long() {
    let broken = Broken::start().await;
    let service = broken.warm().await;
    // It is told more than a second before.
    let ttl = Duration::from_secs(10);
    let outcome = service
        .with_lock("nightly", ttl, async |_| {
            broken.server.stop();
            tokio::time::sleep(MINUTE).await;
        })
        .await;
    broken.server.cont();
    let Outcome::Lost { ran_for } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(ran_for < ttl, "{ran_for:?}");
}

#[tokio::test]
async fn a_command_that_its_caller_has_given_up_on_does_nothing_when_the_server_thaws() {
    let server = RedisServer::start().await;
    let url = server.url();
    let service = move || {
        LockService::builder()
            .redis_url(&url)
            .command_timeout(TIMEOUT)
            .build()
            .expect("valid settings")
    };
    // In a separate runtime that ends with the attempt, so that nothing is left to undo it.
    let (warm, warmed) = std::sync::mpsc::channel();
    let (go, stopped) = std::sync::mpsc::channel::<()>();
    let replica = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let service = service();
            until_acquired(&service, "warm").await.0.release().await;
            warm.send(()).expect("the test waits");
            stopped.recv().expect("the test sends");
            assert_eq!(
                unavailable(service.try_acquire("nightly", MINUTE).await),
                ErrorKind::Timeout
            );
        });
        runtime.shutdown_background();
    });
    let server = tokio::task::spawn_blocking(move || {
        warmed.recv().expect("the replica sends");
        server.stop();
        go.send(()).expect("the replica waits");
        server
    })
    .await
    .expect("no panic");
    replica.await.expect("no panic");
    let calls = |stats: &Reply| {
        stats
            .text()
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="))
            .and_then(|rest| rest.split(',').next()?.parse::<u32>().ok())
            .unwrap_or_default()
    };
    server.cont();
    // It did arrive: acquire twice, once unknown, and release, likewise, before the thaw; one more.
    eventually("the late command was carried out", async || {
        calls(&server.command(&["INFO", "commandstats"]).await) >= 3
    })
    .await;
    assert_eq!(
        server.command(&["EXISTS", "lock:nightly"]).await,
        Reply::Int(0)
    );
}

#[tokio::test]
async fn a_reply_to_another_question_is_never_believed() {
    let broken = Broken::start().await;
    // The second question has to come before the first one is given up.
    let service = broken.service_that(OnUnavailable::FailClosed, PATIENCE);
    until_acquired(&service, "warm").await.0.release().await;
    // Ours would be Busy; the one after it would be acquired. The connection swallows one reply, so
    // that each question is answered with the reply to the next one.
    broken
        .server
        .command(&["SET", "lock:held", "another"])
        .await;
    broken.proxy.set(Fault::SkipReply);
    let second = async {
        eventually("the first reply was swallowed", async || {
            broken.proxy.injected().replies_lost == 1
        })
        .await;
        service.try_acquire("free", MINUTE).await
    };
    let (first, second) = tokio::join!(service.try_acquire("held", MINUTE), second);
    assert_eq!(unavailable(first), ErrorKind::Corrupt);
    unavailable(second);
    // The connection was replaced: the next one is in step.
    broken.proxy.set(Fault::Pass);
    drop(until_acquired(&service, "free").await);
    let (holder, _) = busy(service.try_acquire("held", MINUTE).await);
    assert_eq!(holder, "another");
}

#[tokio::test]
async fn waiting_ends_when_the_server_goes_away() {
    let broken = Broken::start().await;
    let service = broken.warm().await;
    broken
        .server
        .command(&["SET", "lock:nightly", "another"])
        .await;
    let waiter = {
        let service = service.clone();
        tokio::spawn(async move { service.acquire("nightly", MINUTE, MINUTE).await })
    };
    busy(service.try_acquire("nightly", MINUTE).await);
    broken.proxy.set(Fault::Reset);
    let began = Instant::now();
    unavailable(waiter.await.expect("no panic"));
    // A nap of at most a second, and one command.
    assert!(began.elapsed() < Duration::from_secs(1) + TIMEOUT + SLACK);
}

#[tokio::test]
async fn nothing_is_left_of_a_service_that_is_gone() {
    let server = RedisServer::start().await;
    let connections = async || {
        let clients = server.command(&["CLIENT", "LIST"]).await;
        // Without the one that asks.
        clients.text().lines().count() - 1
    };
    for _ in 0..3 {
        let service = LockService::builder()
            .redis_url(server.url())
            .replica_acks(1)
            .build()
            .expect("valid settings");
        unavailable(service.try_acquire("nightly", MINUTE).await);
        busy_waiter(&service, &server).await;
        drop(service);
        eventually("its connections are closed", async || {
            connections().await == 0
        })
        .await;
    }
}

/// Makes it open the connection on which it hears hints.
async fn busy_waiter(service: &LockService, server: &RedisServer) {
    server.command(&["SET", "lock:held", "another"]).await;
    busy(
        service
            .acquire("held", MINUTE, Duration::from_millis(200))
            .await,
    );
}
