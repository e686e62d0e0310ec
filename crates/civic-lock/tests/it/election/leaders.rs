//! Leaders: what they hold, how they learn that they lead no more, and what becomes of their work.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use civic_lock::{BreakOutcome, Lease, LeaseEnd, LockEvent, LostReason, Term};
use rustix::process::Signal;
use tokio::sync::Notify;

use crate::support::election::{Count, NAME, candidate, elected};
use crate::support::holder::HolderProcess;
use crate::support::lock::{MINUTE, lost, until_acquired};
use crate::support::store::{Fixture, PATIENCE, on_each_store};

on_each_store! {
    a_leader_whose_lock_is_broken_is_told_and_leads_no_more,
    a_leader_is_told_at_the_end_of_its_longest_term,
    a_leader_has_no_longest_term_by_default,
    a_leader_that_is_stopped_past_its_ttl_leads_no_more_when_it_goes_on,
    the_work_of_a_leader_is_dropped_when_it_leads_no_more,
    the_work_of_a_leader_that_ends_is_followed_by_a_resignation,
    a_panic_of_the_work_of_a_leader_goes_on_after_its_resignation,
    work_that_is_dropped_with_its_future_is_followed_by_a_resignation,
}

async fn break_lock(store: &Fixture, lease: &Lease) {
    let broken = store
        .replica()
        .admin()
        .break_lock(NAME, lease.holder())
        .await;
    assert!(
        matches!(broken, Ok(BreakOutcome::Broken { .. })),
        "{broken:?}"
    );
}

async fn a_leader_whose_lock_is_broken_is_told_and_leads_no_more(store: Fixture) {
    let ours = candidate(&store, Duration::from_secs(3));
    let leadership = elected(&ours).await;
    break_lock(&store, leadership.lease()).await;
    assert_eq!(lost(leadership.lease()).await, LostReason::NotOwner);
    assert_eq!(leadership.lost().await, LostReason::NotOwner);
    assert!(leadership.check().is_err());
    assert!(!ours.is_leader());
    assert_eq!(leadership.resign().await, LeaseEnd::Lost);
}

async fn a_leader_is_told_at_the_end_of_its_longest_term(store: Fixture) {
    let ours = candidate(&store, Duration::from_secs(2)).with_max_term(Duration::from_millis(1));
    let leadership = elected(&ours).await;
    assert_eq!(lost(leadership.lease()).await, LostReason::MaxHold);
    assert!(!ours.is_leader());
}

async fn a_leader_has_no_longest_term_by_default(store: Fixture) {
    let builder = store.location().builder().command_timeout(PATIENCE);
    let (service, renewed) = Count::of(builder.max_hold(Duration::ZERO), |event| {
        matches!(event, LockEvent::Renewed { .. })
    });
    let ours = service
        .election(NAME, Duration::from_secs(3))
        .expect("a valid name");
    let leadership = elected(&ours).await;
    // What the service holds otherwise is not renewed at all.
    renewed.reaches(2).await;
    assert_eq!(leadership.check(), Ok(()));
    assert!(ours.is_leader());
}

async fn a_leader_that_is_stopped_past_its_ttl_leads_no_more_when_it_goes_on(store: Fixture) {
    let (leader, fence) = HolderProcess::leading(&store, Duration::from_secs(3)).await;
    leader.signal(Signal::STOP);
    let leadership = elected(&candidate(&store, MINUTE)).await;
    assert!(leadership.fence() > fence, "its late writes are refused");
    leader.signal(Signal::CONT);
    let (_leader, told) = leader.line("deposed ").await;
    assert!(
        told.ends_with("false"),
        "told, and no leader any more: {told}"
    );
    assert_eq!(leadership.check(), Ok(()));
}

async fn the_work_of_a_leader_is_dropped_when_it_leads_no_more(store: Fixture) {
    struct Dropped(Arc<Notify>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let ours = candidate(&store, Duration::from_secs(3));
    let dropped = Arc::new(Notify::new());
    let work = |lease: Lease| {
        let dropped = Dropped(dropped.clone());
        let store = &store;
        async move {
            let _dropped = dropped;
            break_lock(store, &lease).await;
            std::future::pending::<()>().await;
        }
    };
    let term = ours
        .run_while_leader(work)
        .await
        .expect("the store answers");
    assert!(
        matches!(
            term,
            Term::Lost {
                reason: LostReason::NotOwner,
                ..
            }
        ),
        "{term:?}"
    );
    dropped.notified().await;
    assert!(!ours.is_leader());
}

async fn the_work_of_a_leader_that_ends_is_followed_by_a_resignation(store: Fixture) {
    let ours = candidate(&store, 10 * MINUTE);
    let term = ours
        .run_while_leader(async |lease: Lease| lease.fence())
        .await;
    match term.expect("the store answers") {
        Term::Ended { value, lease } => {
            assert!(value > 0);
            assert_eq!(lease, LeaseEnd::Kept);
        }
        Term::Lost { .. } => panic!("it was not lost"),
    }
    assert!(!ours.is_leader());
    elected(&candidate(&store, MINUTE)).await.resign().await;
}

async fn a_panic_of_the_work_of_a_leader_goes_on_after_its_resignation(store: Fixture) {
    async fn fails(_: Lease) {
        panic!("the work fails")
    }
    let ours = candidate(&store, 10 * MINUTE);
    let panic = panic_of(async { drop(ours.run_while_leader(fails).await) }).await;
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the work fails"));
    assert!(!ours.is_leader());
    elected(&candidate(&store, MINUTE)).await.resign().await;
}

/// Runs a future that panics, and returns the panic.
async fn panic_of(future: impl Future<Output = ()>) -> Box<dyn Any + Send> {
    let mut future = pin!(future);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => panic!("it did not panic"),
            Err(panic) => Poll::Ready(panic),
        },
    )
    .await
}

async fn work_that_is_dropped_with_its_future_is_followed_by_a_resignation(store: Fixture) {
    let ours = candidate(&store, 10 * MINUTE);
    let began = Arc::new(Notify::new());
    {
        let work = async |_: Lease| {
            began.notify_one();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            term = ours.run_while_leader(work) => panic!("it ended: {term:?}"),
            () = began.notified() => {}
        }
    }
    assert!(!ours.is_leader());
    elected(&candidate(&store, MINUTE)).await.resign().await;
}

#[cfg(feature = "layer")]
#[tokio::test]
async fn a_leader_has_its_fence_as_a_header() {
    let store = Fixture::host();
    let leadership = elected(&candidate(&store, MINUTE)).await;
    let (name, value) = leadership.fence_header();
    assert_eq!(name, "x-fence");
    assert_eq!(value, format!("{NAME}={}", leadership.fence()));
}

#[tokio::test]
async fn the_end_of_a_process_ends_its_leaderships() {
    let store = Fixture::host();
    let service = store.replica();
    let ours = service.election(NAME, 10 * MINUTE).expect("a valid name");
    let leadership = elected(&ours).await;
    let told = tokio::spawn(async move {
        let reason = leadership.lost().await;
        drop(leadership);
        reason
    });
    assert_eq!(service.close(Duration::ZERO).await, 0);
    assert_eq!(told.await.expect("it is told"), LostReason::Released);
    drop(until_acquired(&store.replica(), NAME).await);
}
