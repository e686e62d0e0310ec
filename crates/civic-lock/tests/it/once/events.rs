//! What an observer is told of executions, for its metrics.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use civic_lock::{Delivery, LockEvent, LockService, OnceBegun, ResolveOnce};

use crate::support::lock::eventually;
use crate::support::once::{done, started};

#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<(&'static str, u32)>>>);

impl Events {
    fn observe(&self, event: &LockEvent) {
        if let LockEvent::Once { event, attempt, .. } = event {
            let mut events = self.0.lock().expect("no panic");
            events.push((event.as_str(), *attempt));
        }
    }

    /// What was told since the last call.
    fn take(&self) -> Vec<(&'static str, u32)> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

#[tokio::test]
async fn an_observer_is_told_what_becomes_of_each_execution() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let events = Events::default();
    let observed = events.clone();
    let service = LockService::builder()
        .host_folder(folder.path().join("locks"))
        .command_timeout(Duration::from_secs(5))
        .on_event(move |event| observed.observe(event))
        .build()
        .expect("a private folder");
    let most = |key: &str| service.once(key).delivery(Delivery::AtMostOnce);

    let work = async |_| Ok::<(), Infallible>(());
    let _ = service.once("a").run(work).await;
    assert_eq!(events.take(), [("begun", 1), ("completed", 1)]);
    done(service.once("a").begin().await);
    assert_eq!(events.take(), [("replayed", 1)]);
    let different = service.once("a").fingerprint([0; 32]).begin().await;
    assert!(matches!(different, OnceBegun::Different));
    assert_eq!(events.take(), [("different", 0)]);

    let _ = service.once("b").run(async |_| Err::<(), _>("no")).await;
    assert_eq!(events.take(), [("begun", 1), ("forgotten", 1)]);
    let run = started(service.once("b").begin().await);
    let _ = service
        .once("b")
        .wait(Duration::from_millis(50))
        .begin()
        .await;
    drop(run);
    assert_eq!(
        events.take(),
        [("begun", 2), ("running", 0), ("abandoned", 2)]
    );
    let mut next = None;
    eventually("it is taken over", async || {
        next = match service.once("b").begin().await {
            OnceBegun::Started(run) => Some(run),
            _ => None,
        };
        next.is_some()
    })
    .await;
    assert_eq!(events.take().pop(), Some(("taken-over", 3)));
    let long = vec![0; 256 * 1024 + 1];
    let refused = next.expect("it was begun").complete(&long).await;
    refused.expect_err("too long");
    assert_eq!(events.take(), [("abandoned", 3)]);

    let run = started(most("c").begin().await);
    let holder = run.lease().holder().to_owned();
    drop(run);
    assert_eq!(events.take(), [("begun", 1), ("left-in-doubt", 1)]);
    eventually("it is in doubt", async || {
        matches!(most("c").begin().await, OnceBegun::InDoubt { .. })
    })
    .await;
    assert_eq!(events.take().pop(), Some(("in-doubt", 1)));
    let admin = service.admin();
    let resolved = admin.resolve_once("c", holder, 1, ResolveOnce::Done).await;
    resolved.expect("an answer");
    assert_eq!(events.take(), [("resolved", 1)]);
}
