//! A service outlives its runtime, and is asked where there is none.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use civic_lock::{Acquisition, ErrorKind, LeaseEnd, LockEvent, LockService};
use civic_testkit::proxy::{Fault, FaultProxy};
use civic_testkit::redis::RedisServer;
use tokio::runtime::Runtime;

use crate::support::lock::{MINUTE, acquired, eventually, until_acquired};
use crate::support::store::PATIENCE;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

#[test]
fn an_acquire_outside_of_a_runtime_is_unavailable_and_no_panic() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let host = LockService::builder().host_folder(folder.path().join("locks"));
    for service in [
        LockService::redis("redis://127.0.0.1:1").expect("a valid URL"),
        host.build().expect("a private folder"),
    ] {
        let mut context = Context::from_waker(Waker::noop());
        let asked = pin!(service.try_acquire("nightly", MINUTE));
        match asked.poll(&mut context) {
            Poll::Ready(Acquisition::Unavailable(error)) => {
                assert_eq!(error.kind(), ErrorKind::Config);
                assert!(error.to_string().contains("Tokio runtime"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        let waits = pin!(service.acquire("nightly", MINUTE, MINUTE));
        assert!(matches!(
            waits.poll(&mut context),
            Poll::Ready(Acquisition::Unavailable(_))
        ));
        let pinged = pin!(service.ping());
        assert!(matches!(pinged.poll(&mut context), Poll::Ready(Err(_))));
    }
}

#[test]
fn a_service_goes_on_in_a_second_runtime_and_is_not_kept_out_by_what_the_first_one_left() {
    // The server and the proxy live on.
    let around = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (_server, proxy) = around.block_on(async {
        let server = RedisServer::start().await;
        let proxy = FaultProxy::start(server.addr()).await;
        (server, proxy)
    });
    let service = LockService::builder()
        .redis_url(proxy.redis_url())
        .command_timeout(Duration::from_secs(3))
        .build()
        .expect("valid settings");
    let first = runtime();
    first.block_on(async {
        acquired(service.try_acquire("warm", MINUTE).await)
            .release()
            .await;
        proxy.set(Fault::DropReply);
        let lost = service.try_acquire("nightly", MINUTE).await;
        assert!(matches!(lost, Acquisition::Unavailable(_)), "{lost:?}");
    });
    // The task that takes the lost acquire back ends here.
    drop(first);
    proxy.set(Fault::Pass);
    runtime().block_on(async {
        let guard = acquired(service.try_acquire("nightly", MINUTE).await);
        guard.release().await;
        // A waiter hears the release by a hint of this runtime, or polls.
        let held = acquired(service.try_acquire("nightly", MINUTE).await);
        let waits = service.clone();
        let waiter = tokio::spawn(async move { waits.acquire("nightly", MINUTE, MINUTE).await });
        tokio::task::yield_now().await;
        held.release().await;
        acquired(waiter.await.expect("it does not panic"))
            .release()
            .await;
    });
}

#[test]
fn a_lease_is_renewed_in_its_own_runtime_although_another_one_stands_still() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let renewed = Arc::new(AtomicBool::new(false));
    let seen = renewed.clone();
    let service = LockService::builder()
        .host_folder(folder.path().join("locks"))
        .command_timeout(PATIENCE)
        .on_event(move |event| {
            if matches!(event, LockEvent::Renewed { name, .. } if name.as_str() == "second") {
                seen.store(true, Ordering::Relaxed);
            }
        })
        .build()
        .expect("a private folder");
    let (first, second) = (runtime(), runtime());
    let ttl = Duration::from_secs(3);
    let left = first.block_on(async { acquired(service.try_acquire("first", ttl).await) });
    // From here on no one runs the first one.
    second.block_on(async {
        let guard = acquired(service.try_acquire("second", ttl).await);
        eventually("it is renewed", async || renewed.load(Ordering::Relaxed)).await;
        guard.release().await;
    });
    drop(left);
}

#[test]
fn a_lease_is_given_back_from_outside_of_every_runtime() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let service = LockService::builder()
        .host_folder(folder.path().join("locks"))
        .command_timeout(PATIENCE)
        .build()
        .expect("a private folder");
    let around = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let acquire = || around.block_on(async { until_acquired(&service, "nightly").await.0 });

    let mut release = pin!(acquire().release());
    let mut context = Context::from_waker(Waker::noop());
    let end = loop {
        match release.as_mut().poll(&mut context) {
            Poll::Ready(end) => break end,
            Poll::Pending => std::thread::yield_now(),
        }
    };
    assert_eq!(end, LeaseEnd::Kept);
    // One that is not waited for, and one that is dropped.
    drop(acquire().release());
    drop(acquire());
    drop(acquire());
}
