//! One effect under a key, on both stores.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{pending, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use civic_lock::{
    BreakOutcome, Delivery, ErrorKind, LeaseEnd, LockService, OnLoss, OnceAttempt, OnceBegun,
    OnceOutcome, OnceState,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::timeout;

use crate::support::lock::eventually;
use crate::support::once::{already_done, done, in_doubt, not_begun, ran_once, started};
use crate::support::store::{Fixture, on_each_store};

on_each_store! {
    work_runs_once_and_every_later_call_gets_its_result,
    an_error_of_the_work_frees_the_key_and_the_attempt_counts,
    a_panic_gives_at_least_once_work_back_and_leaves_at_most_once_work_in_doubt,
    work_that_is_dropped_is_given_back_or_in_doubt,
    what_has_done_nothing_is_forgotten_even_at_most_once,
    work_whose_lease_is_lost_is_dropped_and_taken_over,
    work_that_goes_on_without_its_lease_records_nothing_over_another_one,
    another_call_under_the_same_key_is_different,
    a_result_up_to_256_kib_is_recorded_and_a_longer_one_hands_the_execution_back,
    finished_work_is_done_although_its_result_cannot_be_recorded,
    a_result_of_another_type_is_unreadable_and_is_not_run_again,
    a_record_says_when_by_whom_and_until_when,
}

async fn work_runs_once_and_every_later_call_gets_its_result(store: Fixture) {
    let ran = Cell::new(0);
    let (one, two) = (store.replica(), store.replica());
    let work = |_| {
        ran.set(ran.get() + 1);
        ready(Ok::<_, Infallible>(vec!["a".to_owned(), "ü\n".to_owned()]))
    };
    let first = one.once("migration").run(work).await;
    let OnceOutcome::Ran { value, lease } = first else {
        panic!("{first:?}")
    };
    assert_eq!(lease, LeaseEnd::Kept);
    for service in [&one, &two, &store.replica()] {
        assert_eq!(
            already_done(service.once("migration").run(work).await),
            value
        );
    }
    assert_eq!(ran.get(), 1);
    // Another key is another execution.
    ran_once(two.once("migration-2").run(work).await);
    assert_eq!(ran.get(), 2);
}

async fn an_error_of_the_work_frees_the_key_and_the_attempt_counts(store: Fixture) {
    let service = store.replica();
    for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
        let key = delivery.as_str();
        let mut fence = 0;
        for number in 1..4 {
            let outcome = service
                .once(key)
                .delivery(delivery)
                .run(|attempt| {
                    assert_eq!(attempt.number(), number);
                    assert!(attempt.lease().fence() > fence, "fences grow");
                    fence = attempt.lease().fence();
                    ready(Err::<(), _>("no disk"))
                })
                .await;
            assert!(
                matches!(outcome, OnceOutcome::Failed("no disk")),
                "{outcome:?}"
            );
        }
        let work = async |_| Ok::<_, Infallible>(7);
        assert_eq!(ran_once(service.once(key).run(work).await), 7);
        let record = done(service.once(key).begin().await);
        assert_eq!(record.attempt(), 4);
    }
}

async fn a_panic_gives_at_least_once_work_back_and_leaves_at_most_once_work_in_doubt(
    store: Fixture,
) {
    let service = store.replica();
    for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
        let key = delivery.as_str();
        let request = service.once(key).delivery(delivery);
        let panicked = tokio::spawn(request.run(panics));
        assert!(panicked.await.expect_err("the panic goes on").is_panic());
        let next = service.once(key).delivery(delivery).begin().await;
        match delivery {
            Delivery::AtLeastOnce => assert_eq!(started(next).attempt(), 2),
            Delivery::AtMostOnce => assert_eq!(in_doubt(next).1, 1),
        }
    }
}

async fn panics(_: OnceAttempt) -> Result<(), Infallible> {
    panic!("a panic of a test")
}

async fn work_that_is_dropped_is_given_back_or_in_doubt(store: Fixture) {
    let service = store.replica();
    for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
        let key = delivery.as_str();
        let run = started(service.once(key).delivery(delivery).begin().await);
        let fence = run.lease().fence();
        drop(run);
        eventually("the key is given back", async || {
            match service.once(key).begin().await {
                OnceBegun::Running { .. } => false,
                OnceBegun::Started(next) => {
                    assert_eq!(delivery, Delivery::AtLeastOnce);
                    assert!(next.lease().fence() > fence && next.attempt() == 2);
                    true
                }
                other => {
                    assert_eq!(delivery, Delivery::AtMostOnce);
                    assert_eq!(in_doubt(other).1, 1);
                    true
                }
            }
        })
        .await;
    }
}

async fn what_has_done_nothing_is_forgotten_even_at_most_once(store: Fixture) {
    let service = store.replica();
    for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
        let key = delivery.as_str();
        let run = started(service.once(key).delivery(delivery).begin().await);
        run.forget().await.expect("the store answers");
        let next = started(service.once(key).delivery(delivery).begin().await);
        assert_eq!(next.attempt(), 2, "the attempt counts");
    }
}

async fn work_whose_lease_is_lost_is_dropped_and_taken_over(store: Fixture) {
    let (ours, other) = (store.replica(), store.replica());
    let admin = other.admin();
    let dropped = async {
        let hangs = async |_| pending::<Result<u8, Infallible>>().await;
        let ttl = Duration::from_secs(6);
        ours.once("migration").ttl(ttl).run(hangs).await
    };
    let breaks = async {
        eventually("it is broken", async || {
            let lock = admin.lock("once:migration").await.expect("an answer");
            let Some(holder) = lock.holder else {
                return false;
            };
            let broken = admin.break_lock("once:migration", holder).await;
            matches!(broken, Ok(BreakOutcome::Broken { .. }))
        })
        .await;
    };
    let (outcome, ()) = timeout(Duration::from_secs(60), async {
        tokio::join!(dropped, breaks)
    })
    .await
    .expect("the work is dropped");
    assert!(matches!(outcome, OnceOutcome::Lost { .. }), "{outcome:?}");
    let next = started(other.once("migration").begin().await);
    assert_eq!(next.attempt(), 2);
}

async fn work_that_goes_on_without_its_lease_records_nothing_over_another_one(store: Fixture) {
    let (ours, other) = (store.replica(), store.replica());
    let admin = other.admin();
    let request = ours.once("migration").on_loss(OnLoss::KeepRunning);
    let outcome = request
        .run(async |attempt| {
            let holder = attempt.lease().holder().to_owned();
            let broken = admin.break_lock("once:migration", holder).await;
            broken.expect("an answer");
            let next = started(other.once("migration").begin().await);
            next.complete(b"\"other\"").await.expect("it is recorded");
            Ok::<_, Infallible>("ours".to_owned())
        })
        .await;
    let OnceOutcome::NotRecorded { value, error } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((value.as_str(), error.kind()), ("ours", ErrorKind::Lost));
    let again = ours
        .once("migration")
        .run(async |_| Ok::<_, Infallible>(String::new()));
    assert_eq!(already_done(again.await), "other");
}

async fn another_call_under_the_same_key_is_different(store: Fixture) {
    let service = store.replica();
    let request = |fingerprint: u8| service.once("payment").fingerprint([fingerprint; 32]);
    let run = started(request(1).begin().await);
    let different = async |when: &str| {
        let begun = request(2).begin().await;
        assert!(matches!(begun, OnceBegun::Different), "{when}: {begun:?}");
        let outcome = service
            .once("payment")
            .run(async |_| Ok::<_, Infallible>(()));
        let outcome = outcome.await;
        assert!(
            matches!(outcome, OnceOutcome::Different),
            "{when}: {outcome:?}"
        );
    };
    different("while it runs").await;
    run.complete(b"1").await.expect("it is recorded");
    different("when it is done").await;
    assert_eq!(done(request(1).begin().await).result(), b"1");
}

async fn a_result_up_to_256_kib_is_recorded_and_a_longer_one_hands_the_execution_back(
    store: Fixture,
) {
    let service = store.replica();
    let most = vec![0xfe; 256 * 1024];
    let run = started(service.once("most").begin().await);
    let record = run.complete(&most).await.expect("it is recorded");
    assert!(record.result() == most);
    assert!(done(service.once("most").begin().await).result() == most);

    let long = vec![0; 256 * 1024 + 1];
    let run = started(service.once("more").begin().await);
    let error = run.complete(&long).await.expect_err("one byte too many");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("262145"), "{error}");
    // Its work is done: the caller decides what is recorded of it.
    let run = error.into_run().expect("it goes on");
    run.lease().check().expect("it has the lock");
    let record = run.complete(b"an id").await.expect("it is recorded");
    assert_eq!(done(service.once("more").begin().await), record);
}

async fn finished_work_is_done_although_its_result_cannot_be_recorded(store: Fixture) {
    let service = store.replica();
    for (key, value) in [("text", Value::Long), ("number", Value::NotANumber)] {
        for delivery in [Delivery::AtLeastOnce, Delivery::AtMostOnce] {
            let key = format!("{key}:{}", delivery.as_str());
            let request = || service.once(&key).delivery(delivery);
            let outcome = request().run(async |_| Ok::<_, Infallible>(value)).await;
            let OnceOutcome::ResultNotKept { error, lease, .. } = outcome else {
                panic!("{key}: {outcome:?}")
            };
            assert_eq!(error.kind(), value.refused_as(), "{key}: {error}");
            assert_eq!(lease, LeaseEnd::Kept, "{key}");
            let work = async |_| -> Result<Value, Infallible> { unreachable!("it has run") };
            let outcome = request().run(work).await;
            let OnceOutcome::DoneWithoutResult { record } = outcome else {
                panic!("{key}: {outcome:?}")
            };
            assert!(!record.has_result() && !record.is_resolved(), "{key}");
            assert_eq!(record.attempt(), 1, "{key}");
            let status = service.admin().once(&key).await.expect("an answer");
            let state = status.expect("a record").state;
            assert_eq!(state, OnceState::DoneWithoutResult, "{key}");
        }
    }
    // No result is not the same as a result of nothing.
    let run = started(service.once("maybe").begin().await);
    let record = run.complete_without_result().await.expect("it is recorded");
    assert_eq!(done(service.once("maybe").begin().await), record);
    let work = async |_| -> Result<Option<u8>, Infallible> { unreachable!("it has run") };
    let outcome = service.once("maybe").run(work).await;
    assert!(
        matches!(outcome, OnceOutcome::DoneWithoutResult { .. }),
        "{outcome:?}"
    );
}

/// A value that cannot be recorded.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// More than 256 KiB, with its quotes.
    Long,
    /// JSON has no such number: it would be read as nothing.
    NotANumber,
}

impl Value {
    fn refused_as(self) -> ErrorKind {
        match self {
            Self::Long => ErrorKind::TooLarge,
            Self::NotANumber => ErrorKind::Unreadable,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Long => serializer.serialize_str(&"x".repeat(256 * 1024)),
            Self::NotANumber => serializer.serialize_f64(f64::NAN),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(|_| Self::NotANumber)
    }
}

async fn a_result_of_another_type_is_unreadable_and_is_not_run_again(store: Fixture) {
    let service = store.replica();
    let work = async |_| Ok::<_, Infallible>("Ada Lovelace".to_owned());
    ran_once(service.once("greeting").run(work).await);
    let outcome = service
        .once("greeting")
        .run(async |_| -> Result<u8, Infallible> { unreachable!("it has run") });
    let outcome = outcome.await;
    assert!(!format!("{outcome:?}").contains("Ada"), "{outcome:?}");
    let OnceOutcome::Unreadable { record, error } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    assert_eq!(record.json::<String>().expect("a text"), "Ada Lovelace");
}

async fn a_record_says_when_by_whom_and_until_when(store: Fixture) {
    let service = store.replica();
    let retain = Duration::from_secs(600);
    let run = started(service.once("payment").retain(retain).begin().await);
    let (holder, fence) = (run.lease().holder().to_owned(), run.lease().fence());
    let record = run.complete(b"{}").await.expect("it is recorded");
    let read = done(service.once("payment").retain(retain).begin().await);
    assert_eq!(read, record);
    assert_eq!((read.completed_by(), read.fence()), (&*holder, fence));
    assert_eq!((read.attempt(), read.is_resolved()), (1, false));
    let kept = read.expires_at().duration_since(read.completed_at());
    assert_eq!(kept.expect("later"), retain);
    let age = SystemTime::now().duration_since(read.completed_at());
    assert!(age.is_ok_and(|age| age < Duration::from_secs(60)));
    // A call with a longer retention keeps it for longer.
    let longer = done(service.once("payment").retain(retain * 2).begin().await);
    assert!(longer.expires_at() > read.expires_at() + retain / 2);
}

#[tokio::test]
async fn a_wrong_setting_is_invalid_and_nothing_is_asked() {
    let nowhere = LockService::redis("redis://127.0.0.1:1").expect("a valid URL");
    let key = "x".repeat(508);
    for (request, kind) in [
        (nowhere.once(""), ErrorKind::Name),
        (nowhere.once(key), ErrorKind::Name),
        (nowhere.once("a{b"), ErrorKind::Name),
        (
            nowhere.once("a").ttl(Duration::from_millis(499)),
            ErrorKind::Config,
        ),
        (
            nowhere.once("a").retain(Duration::from_millis(999)),
            ErrorKind::Config,
        ),
        (nowhere.once("a").retain(Duration::MAX), ErrorKind::Config),
    ] {
        let begun = request.begin().await;
        assert!(matches!(begun, OnceBegun::Invalid(_)), "{begun:?}");
        assert_eq!(not_begun(begun), kind);
    }
}

#[test]
fn outside_of_a_runtime_it_is_unavailable_and_nothing_panics() {
    let service = LockService::redis("redis://127.0.0.1:1").expect("a valid URL");
    for wait in [None, Some(Duration::MAX)] {
        let request = service.once("a");
        let request = match wait {
            Some(wait) => request.wait(wait),
            None => request,
        };
        let begin = pin!(request.begin());
        let polled = begin.poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(OnceBegun::Unavailable(error)) = polled else {
            panic!("{polled:?}")
        };
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
