//! What an observer of the locks is told, for its metrics.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use civic_lock::{ErrorKind, LockEvent, LockService, LostReason};

use crate::support::lock::{MINUTE, acquired, busy, eventually, unavailable};
use crate::support::store::PATIENCE;

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<LockEvent>>>);

impl Events {
    fn observe(&self, event: &LockEvent) {
        self.0.lock().expect("no panic").push(event.clone());
    }

    fn any(&self, is_it: impl Fn(&LockEvent) -> bool) -> bool {
        self.0.lock().expect("no panic").iter().any(is_it)
    }
}

#[tokio::test]
async fn an_observer_is_told_of_each_lease_its_margin_and_its_contenders() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let events = Events::default();
    let observed = events.clone();
    let service = LockService::builder()
        .host_folder(folder.path().join("locks"))
        .command_timeout(PATIENCE)
        .on_event(move |event| observed.observe(event))
        .build()
        .expect("a private folder");
    let ttl = Duration::from_secs(3);
    let guard = acquired(service.try_acquire("nightly", ttl).await);
    let (fence, held_by) = (guard.lease().fence(), guard.lease().holder().to_owned());
    assert!(events.any(
        |event| matches!(event, LockEvent::Acquired { name, fence: given, .. }
            if name.as_str() == "nightly" && *given == fence)
    ));
    busy(service.try_acquire("nightly", ttl).await);
    assert!(
        events.any(|event| matches!(event, LockEvent::Busy { holder, .. } if *holder == held_by))
    );
    eventually("it is renewed", async || {
        events.any(|event| matches!(event, LockEvent::Renewed { margin, .. } if *margin < ttl))
    })
    .await;
    let waits = service.clone();
    let waiter = tokio::spawn(async move { waits.acquire("nightly", ttl, MINUTE).await });
    eventually("one caller waits", async || {
        events.any(|event| matches!(event, LockEvent::Waiting { contenders: 1, .. }))
    })
    .await;
    guard.release().await;
    assert!(events.any(|event| matches!(
        event,
        LockEvent::Ended {
            reason: LostReason::Released,
            ..
        }
    )));
    acquired(waiter.await.expect("no panic")).release().await;
}

#[tokio::test]
async fn an_observer_that_panics_disturbs_no_lock_and_hears_of_an_outage() {
    let events = Events::default();
    let observed = events.clone();
    let service = LockService::builder()
        .redis_url("redis://127.0.0.1:1")
        .command_timeout(PATIENCE)
        .on_event(move |event| {
            observed.observe(event);
            panic!("an observer of a test");
        })
        .build()
        .expect("a valid URL");
    assert_eq!(
        unavailable(service.try_acquire("nightly", MINUTE).await),
        ErrorKind::Connection
    );
    assert!(events.any(|event| matches!(
        event,
        LockEvent::Unavailable {
            kind: ErrorKind::Connection,
            ..
        }
    )));
}
