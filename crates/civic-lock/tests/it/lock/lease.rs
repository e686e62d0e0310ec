//! What a lease is worth, while the store answers.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use civic_lock::{Acquisition, LeaseEnd, LockService, LostReason, OnLoss, Outcome};

use crate::support::lock::{MINUTE, acquired, busy, lost, ran, until_acquired};
use crate::support::store::{Fixture, PATIENCE, on_each_store};

on_each_store! {
    work_is_alone_and_releases_afterwards,
    an_error_of_the_work_is_its_value,
    a_panic_of_the_work_releases_the_lock_and_goes_on,
    a_work_that_is_dropped_releases_the_lock,
    a_guard_is_dropped_without_a_runtime_and_without_blocking,
    a_future_dropped_at_any_await_leaves_nothing_behind,
    a_lease_outlives_its_ttl_by_renewing_itself,
    a_lease_is_not_renewed_for_ever,
    a_check_is_exact_although_the_runtime_is_blocked,
    a_released_lease_is_over_for_all_its_copies,
    a_minimum_hold_keeps_others_out_after_the_work,
    a_waiter_gets_the_lock_when_it_is_released,
    a_waiter_gives_up_at_its_deadline,
    waiters_of_one_process_come_in_turn_and_never_together,
    fences_grow_from_one_replica_to_the_next,
    only_one_of_many_replicas_gets_the_lock,
}

async fn work_is_alone_and_releases_afterwards(store: Fixture) {
    let (ours, theirs) = (store.replica(), store.replica());
    let outcome = ours
        .with_lock("nightly", MINUTE, async |lease| {
            assert_eq!(lease.check(), Ok(()));
            assert!(lease.is_protected());
            assert!(lease.remaining() > MINUTE / 2);
            let (holder, ttl) = busy(theirs.try_acquire("nightly", MINUTE).await);
            assert_eq!(holder, lease.holder());
            assert!(ttl.is_some());
            42
        })
        .await;
    assert_eq!(ran(outcome), (42, LeaseEnd::Kept));
    drop(acquired(theirs.try_acquire("nightly", MINUTE).await));
}

async fn an_error_of_the_work_is_its_value(store: Fixture) {
    let outcome = store
        .replica()
        .with_lock("nightly", MINUTE, async |_| Err::<(), _>("no such table"))
        .await;
    assert_eq!(ran(outcome), (Err("no such table"), LeaseEnd::Kept));
}

async fn a_panic_of_the_work_releases_the_lock_and_goes_on(store: Fixture) {
    let (ours, theirs) = (store.replica(), store.replica());
    for late in [false, true] {
        let ours = ours.clone();
        let work = tokio::spawn(async move {
            ours.with_lock("nightly", MINUTE, move |_| {
                assert!(late, "before the first await");
                async { panic!("after it") }
            })
            .await
        });
        let panic = work.await.expect_err("the panic goes on").into_panic();
        let text = panic.downcast_ref::<&str>().expect("a text");
        assert_eq!(
            *text,
            if late {
                "after it"
            } else {
                "before the first await"
            }
        );
        // The release was confirmed before the panic went on.
        acquired(theirs.try_acquire("nightly", MINUTE).await)
            .release()
            .await;
    }
}

async fn a_work_that_is_dropped_releases_the_lock(store: Fixture) {
    let (ours, theirs) = (store.replica(), store.replica());
    let (began, begun) = tokio::sync::oneshot::channel();
    let work = tokio::spawn(async move {
        ours.with_lock("nightly", MINUTE, async |_| {
            let _ = began.send(());
            std::future::pending::<()>().await;
        })
        .await
    });
    begun.await.expect("the work has begun");
    work.abort();
    let (_guard, waited) = until_acquired(&theirs, "nightly").await;
    assert!(waited < MINUTE / 2, "it did not wait for the ttl");
}

async fn a_guard_is_dropped_without_a_runtime_and_without_blocking(store: Fixture) {
    let (ours, theirs) = (store.replica(), store.replica());
    let guard = acquired(ours.try_acquire("nightly", MINUTE).await);
    std::thread::spawn(move || drop(guard))
        .join()
        .expect("a drop never panics");
    let (_guard, waited) = until_acquired(&theirs, "nightly").await;
    assert!(waited < MINUTE / 2, "it did not wait for the ttl");
}

/// Polls the future `polls` times, each time that it asks for it, and drops it then. Its output
/// when it was ready before.
async fn poll_then_drop<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |cx: &mut Context<'_>| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn a_future_dropped_at_any_await_leaves_nothing_behind(store: Fixture) {
    let (ours, theirs) = (store.replica(), store.replica());
    let mut polls = 0;
    loop {
        let work = ours.with_lock("nightly", MINUTE, async |_| tokio::task::yield_now().await);
        let outcome = poll_then_drop(work, polls).await;
        let (guard, waited) = until_acquired(&theirs, "nightly").await;
        assert!(waited < MINUTE / 2, "dropped after {polls} polls");
        guard.release().await;
        match outcome {
            Some(Outcome::Ran { .. }) => break,
            // The attempt before was dropped before it had begun, and came in between.
            Some(Outcome::Busy { .. }) => {}
            Some(other) => panic!("{other:?}"),
            None => polls += 1,
        }
    }
    assert!(polls >= 3, "acquire, work and release, but {polls}");

    // The same for a guard that no one receives.
    for polls in 0..polls {
        drop(poll_then_drop(ours.try_acquire("nightly", MINUTE), polls).await);
        let (guard, waited) = until_acquired(&theirs, "nightly").await;
        assert!(waited < MINUTE / 2, "dropped after {polls} polls");
        guard.release().await;
    }
}

async fn a_lease_outlives_its_ttl_by_renewing_itself(store: Fixture) {
    let (ours, theirs) = (store.replica(), store.replica());
    let ttl = Duration::from_secs(4);
    let outcome = ours
        .with_lock("nightly", ttl, async |lease| {
            let began = Instant::now();
            while began.elapsed() < ttl * 2 {
                assert_eq!(lease.check(), Ok(()));
                busy(theirs.try_acquire("nightly", ttl).await);
                tokio::time::sleep(ttl / 20).await;
            }
        })
        .await;
    assert_eq!(ran(outcome), ((), LeaseEnd::Kept));
}

async fn a_lease_is_not_renewed_for_ever(store: Fixture) {
    let builder = LockService::builder().max_hold(Duration::from_millis(800));
    let ours = match &store {
        Fixture::Redis(server) => builder.redis_url(server.url()),
        Fixture::Host(folder) => builder.host_folder(folder.path().join("locks")),
    }
    .command_timeout(PATIENCE)
    .build()
    .expect("valid settings");
    let guard = acquired(ours.try_acquire("nightly", Duration::from_secs(1)).await);
    assert_eq!(lost(guard.lease()).await, LostReason::MaxHold);
    let error = guard.lease().check().expect_err("it is lost");
    assert_eq!(error.reason(), LostReason::MaxHold);
    drop(until_acquired(&store.replica(), "nightly").await);
    assert_eq!(guard.release().await, LeaseEnd::Lost);
}

async fn a_check_is_exact_although_the_runtime_is_blocked(store: Fixture) {
    // A runtime of one thread, which the work itself blocks: no renewal, no signal.
    let service = store.replica();
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async move {
            let guard = acquired(service.try_acquire("nightly", Duration::from_secs(3)).await);
            let lease = guard.lease();
            assert_eq!(lease.check(), Ok(()));
            let remaining = lease.remaining();
            std::thread::sleep(remaining);
            let error = lease.check().expect_err("its time is over");
            assert_eq!(error.reason(), LostReason::Expired);
            assert_eq!(lease.remaining(), Duration::ZERO);
        });
    })
    .await
    .expect("no panic");
}

async fn a_released_lease_is_over_for_all_its_copies(store: Fixture) {
    let guard = acquired(store.replica().try_acquire("nightly", MINUTE).await);
    let copy = guard.lease().clone();
    let token = copy.cancellation_token();
    assert!(!token.is_cancelled());
    // Cancelling what one was given does not end the lease of the others.
    copy.cancellation_token().cancel();
    assert_eq!(copy.check(), Ok(()));
    assert_eq!(guard.release().await, LeaseEnd::Kept);
    assert_eq!(lost(&copy).await, LostReason::Released);
    assert_eq!(
        copy.check().expect_err("released").reason(),
        LostReason::Released
    );
    token.cancelled().await;
}

async fn a_minimum_hold_keeps_others_out_after_the_work(store: Fixture) {
    let (ours, theirs) = (store.replica(), store.replica());
    let hold = Duration::from_millis(800);
    let began = Instant::now();
    let outcome = ours
        .request("nightly", MINUTE)
        .minimum_hold(hold)
        .run(async |_| ())
        .await;
    assert_eq!(ran(outcome), ((), LeaseEnd::Kept));
    let (_guard, _) = until_acquired(&theirs, "nightly").await;
    assert!(began.elapsed() >= hold, "{:?}", began.elapsed());
    assert!(began.elapsed() < MINUTE / 2, "{:?}", began.elapsed());
}

async fn a_waiter_gets_the_lock_when_it_is_released(store: Fixture) {
    let (ours, theirs) = (store.replica(), store.replica());
    let guard = acquired(ours.try_acquire("nightly", MINUTE).await);
    let first = guard.lease().fence();
    let waiter = tokio::spawn(async move { theirs.acquire("nightly", MINUTE, MINUTE).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    guard.release().await;
    let released = Instant::now();
    let guard = acquired(waiter.await.expect("no panic"));
    assert!(guard.lease().fence() > first);
    assert!(released.elapsed() < MINUTE / 2);
}

async fn a_waiter_gives_up_at_its_deadline(store: Fixture) {
    let (ours, theirs) = (store.replica(), store.replica());
    let guard = acquired(ours.try_acquire("nightly", MINUTE).await);
    let began = Instant::now();
    let within = Duration::from_millis(300);
    let (holder, _) = busy(theirs.acquire("nightly", MINUTE, within).await);
    assert_eq!(holder, guard.lease().holder());
    assert!(began.elapsed() >= within);
    assert!(began.elapsed() < MINUTE / 2);
}

async fn waiters_of_one_process_come_in_turn_and_never_together(store: Fixture) {
    let service = store.replica();
    let inside = std::sync::Arc::new(AtomicU32::new(0));
    let waiters: Vec<_> = (0..8)
        .map(|_| {
            let (service, inside) = (service.clone(), inside.clone());
            tokio::spawn(async move {
                let guard = acquired(service.acquire("nightly", MINUTE, MINUTE).await);
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "alone");
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                guard.release().await
            })
        })
        .collect();
    for waiter in waiters {
        assert_eq!(waiter.await.expect("no panic"), LeaseEnd::Kept);
    }
}

async fn fences_grow_from_one_replica_to_the_next(store: Fixture) {
    let replicas = [store.replica(), store.replica(), store.replica()];
    let mut last = 0;
    for replica in replicas.iter().cycle().take(12) {
        let guard = acquired(replica.try_acquire("nightly", MINUTE).await);
        assert!(guard.lease().fence() > last);
        last = guard.lease().fence();
        guard.release().await;
    }
}

async fn only_one_of_many_replicas_gets_the_lock(store: Fixture) {
    let replicas: Vec<_> = (0..5).map(|_| store.replica()).collect();
    for round in 0..10 {
        let name = format!("round {round}");
        let tries: Vec<_> = replicas
            .iter()
            .cloned()
            .map(|replica| {
                let name = name.clone();
                tokio::spawn(async move { replica.try_acquire(name, MINUTE).await })
            })
            .collect();
        let mut won = Vec::new();
        for one in tries {
            match one.await.expect("no panic") {
                Acquisition::Acquired(guard) => won.push(guard),
                Acquisition::Busy { .. } => {}
                Acquisition::Unavailable(error) | Acquisition::Invalid(error) => {
                    panic!("{error}")
                }
            }
        }
        assert_eq!(won.len(), 1);
    }
}

/// What happens when the key is taken away. Redis only: state files are not to be edited.
#[tokio::test]
async fn work_is_dropped_when_its_lease_is_lost() {
    let store = Fixture::redis().await;
    let Fixture::Redis(server) = &store else {
        unreachable!("it was just made")
    };
    let service = store.replica();
    let ttl = Duration::from_secs(6);
    let outcome = service
        .with_lock("nightly", ttl, async |lease| {
            server.command(&["SET", "lock:nightly", "another"]).await;
            assert_eq!(lost(&lease).await, LostReason::NotOwner);
            tokio::time::sleep(MINUTE).await;
        })
        .await;
    assert!(matches!(outcome, Outcome::Lost { ran_for } if ran_for < ttl));

    // Or it runs on, and is told that it was not alone.
    server.command(&["DEL", "lock:nightly"]).await;
    let outcome = service
        .request("nightly", ttl)
        .on_loss(OnLoss::KeepRunning)
        .run(async |lease| {
            server.command(&["SET", "lock:nightly", "another"]).await;
            lost(&lease).await;
            7
        })
        .await;
    assert_eq!(ran(outcome), (7, LeaseEnd::Lost));
    let key = server.command(&["GET", "lock:nightly"]).await;
    assert_eq!(key.text(), "another", "never touched");
}

#[tokio::test]
async fn fences_grow_although_the_server_forgets_everything() {
    let mut store = Fixture::redis().await;
    let service = store.replica();
    let first = acquired(service.try_acquire("nightly", MINUTE).await);
    let mut last = first.lease().fence();
    for restart in [false, true] {
        let Fixture::Redis(server) = &mut store else {
            unreachable!("it was just made")
        };
        if restart {
            server.restart().await;
        } else {
            server.command(&["FLUSHALL"]).await;
        }
        let (guard, _) = until_acquired(&service, "nightly").await;
        assert!(guard.lease().fence() > last, "restart: {restart}");
        last = guard.lease().fence();
    }
    // The first one was never released, and is not the holder any more.
    assert_eq!(first.release().await, LeaseEnd::Lost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_leases_renew_on_one_connection() {
    const LEASES: usize = 10_000;
    let store = Fixture::redis().await;
    let Fixture::Redis(server) = &store else {
        unreachable!("it was just made")
    };
    let service = LockService::builder()
        .redis_url(server.url())
        .command_timeout(Duration::from_secs(20))
        .build()
        .expect("valid settings");
    // Long enough for a busy machine to renew all of them in a third of it.
    let ttl = Duration::from_secs(90);
    let mut guards = Vec::with_capacity(LEASES);
    for batch in 0..LEASES / 100 {
        let tries: Vec<_> = (0..100)
            .map(|n| {
                let service = service.clone();
                tokio::spawn(async move { service.try_acquire(format!("{batch}:{n}"), ttl).await })
            })
            .collect();
        for one in tries {
            guards.push(acquired(one.await.expect("no panic")));
        }
    }
    let all_acquired = calls(server).await;
    eventually_within(3 * MINUTE, async || {
        calls(server).await >= all_acquired + LEASES
    })
    .await;
    assert!(guards.iter().all(|guard| guard.lease().check().is_ok()));
    let clients = server.command(&["CLIENT", "LIST"]).await;
    // Ours, and the one that asks.
    assert_eq!(clients.text().lines().count(), 2, "{}", clients.text());
}

async fn calls(server: &civic_testkit::redis::RedisServer) -> usize {
    let stats = server.command(&["INFO", "commandstats"]).await;
    stats
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="))
        .and_then(|rest| rest.split(',').next()?.parse().ok())
        .unwrap_or_default()
}

async fn eventually_within(most: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < most);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
